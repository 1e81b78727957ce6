//! Canisters of one network of the Internet Computer. The revision of a canister is the hash of its module as the network
//! certifies it; a module is put back by an upgrade, and never by a reinstall that nobody asked for. No dfx, no judgment.

mod apply;
mod ask;
mod attend;
mod call;
mod certified;
mod change;
mod conflict;
mod controllers;
mod evidence;
mod found;
mod guard;
mod hazards;
mod identity;
mod install;
mod interface;
mod logs;
mod look;
mod management;
mod module;
mod names;
mod network;
mod notes;
mod observe;
mod preflight;
mod reader;
mod recent;
mod refusal;
mod release;
mod reply;
mod retire;
mod serving;
mod settings;
mod settle;
mod site;
mod snapshot;
mod start;
mod stop;
mod target;
mod upload;
mod wire;

use super::settings::parse;
use super::{BadSettings, Base, Story, Target, TargetError};
use crate::model::state::Slot;
use candid::Principal;
use identity::Caller;
use indexmap::IndexMap;
use module::Facts;
use names::NetworkName;
use network::Network;
use settings::Settings;
use site::Site;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use tokio::sync::OnceCell;

/// JSON Schema of the settings.
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(Settings)
}

/// Opens a `canister` target. Files of the project are read for ids and networks; nothing is contacted yet.
pub fn open(
    name: &str,
    settings: serde_json::Value,
    base: &Base,
) -> Result<Box<dyn Target>, BadSettings> {
    Ok(Box::new(Canisters::new(name, settings, base)?))
}

/// Named canisters of one network.
#[derive(Debug)]
struct Canisters {
    name: String,
    settings: Settings,
    base: Base,
    place: NetworkName,
    /// What is known of each before anything is asked, in the order of the settings.
    members: IndexMap<Slot, Member>,
    /// How they were before a change of this command.
    baselines: look::Baselines,
    /// What is written down from one command to the next.
    notes: notes::Notes,
    /// Canisters whose plan says that no snapshot can be taken; only a permitted plan is carried out.
    without_snapshot: Mutex<BTreeSet<Slot>>,
    /// Connected when it is first needed: opening a target contacts nothing.
    network: OnceCell<(Network, Caller)>,
    /// What the modules of the release are like, once it is known which release it is.
    modules: Mutex<BTreeMap<Slot, Facts>>,
}

/// One canister as the settings name it.
#[derive(Debug)]
struct Member {
    id: Principal,
    settings: settings::Canister,
}

impl Canisters {
    fn new(name: &str, settings: serde_json::Value, base: &Base) -> Result<Self, BadSettings> {
        let settings: Settings = parse(settings)?;
        settings::check(&settings)?;
        let resolved = names::resolve(&settings, base)?;
        let members = settings
            .canisters
            .iter()
            .zip(resolved.ids)
            .map(|(canister, (slot, id))| {
                let settings = canister.clone();
                (Slot(slot), Member { id, settings })
            })
            .collect();
        Ok(Self {
            name: name.to_owned(),
            settings,
            base: base.clone(),
            place: resolved.network,
            members,
            baselines: look::Baselines::default(),
            notes: notes::Notes::new(&base.state_dir),
            without_snapshot: Mutex::default(),
            network: OnceCell::new(),
            modules: Mutex::default(),
        })
    }

    /// The connection and who asks; made once.
    async fn connected(&self) -> Result<&(Network, Caller), TargetError> {
        self.network
            .get_or_try_init(|| async {
                let caller = identity::caller(&self.settings, &self.base)?;
                guard::check_principal(caller.principal(), self.settings.principal.as_deref())?;
                let network = Network::connect(
                    &self.place.name,
                    &self.place.url,
                    &self.place.root_key,
                    caller.identity(),
                    &self.base.net,
                )
                .await
                .map_err(|error| TargetError::Unreachable {
                    what: format!("network {}: {error}", self.place.name),
                })?;
                Ok((network, caller))
            })
            .await
    }

    async fn network(&self) -> Result<&Network, TargetError> {
        Ok(&self.connected().await?.0)
    }

    fn member(&self, slot: &Slot) -> Result<(&Slot, &Member), TargetError> {
        self.members
            .get_key_value(slot)
            .ok_or_else(|| TargetError::Failed(anyhow::anyhow!("there is no canister {slot}")))
    }

    /// One canister, in reach.
    async fn site<'a>(
        &'a self,
        slot: &Slot,
        story: Option<&'a dyn Story>,
    ) -> Result<Site<'a>, TargetError> {
        let (slot, member) = self.member(slot)?;
        Ok(Site {
            network: self.network().await?,
            slot,
            id: member.id,
            story,
        })
    }

    /// All of them, in their order.
    async fn sites<'a>(
        &'a self,
        story: Option<&'a dyn Story>,
    ) -> Result<Vec<Site<'a>>, TargetError> {
        let network = self.network().await?;
        let site = |(slot, member): (&'a Slot, &Member)| Site {
            network,
            slot,
            id: member.id,
            story,
        };
        Ok(self.members.iter().map(site).collect())
    }
}
