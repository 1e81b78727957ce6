//! How each probe of an environment is asked: its address is checked when the command begins; the way to it, or the
//! question, is opened when a stage begins.

use super::rules;
use crate::engine::operation::Operation;
use crate::engine::request::{self, Query};
use crate::engine::{forward, question};
use crate::model::outcome::{Failure, Outcome};
use crate::model::probe::Question;
use crate::probes::{self, Page, Signal};

/// One probe.
#[derive(Debug)]
pub(super) struct Planned<'a> {
    pub(super) name: &'a str,
    pub(super) gating: bool,
    way: Way<'a>,
    /// As of the last stage that could open it.
    signal: Option<Signal>,
}

#[derive(Debug)]
enum Way<'a> {
    Address {
        page: Page,
        /// Through which place of a target.
        via: Option<&'a str>,
    },
    Asked {
        query: &'a Query,
        question: Question,
    },
}

impl<'a> Planned<'a> {
    /// Contacts nothing.
    pub(super) fn new(operation: &Operation, probe: &'a request::Probe) -> Result<Self, Failure> {
        let way = match &probe.means {
            request::Means::Http(page) => rules::page(page).map(|checked| Way::Address {
                page: checked,
                via: page.via.as_deref(),
            }),
            request::Means::Query(query) => {
                question::owner(operation, &probe.name, query)?;
                rules::question(query).map(|question| Way::Asked { query, question })
            }
        };
        Ok(Self {
            name: &probe.name,
            gating: probe.gating,
            way: way
                .map_err(|error| Failure::msg(Outcome::Usage, format!("health.probes: {error}")))?,
            signal: None,
        })
    }

    /// Opens a question once before anything is changed. That it cannot be opened is only warned about: a release that comes
    /// may answer what the one that is there cannot.
    pub(super) async fn rehearse(&self, operation: &Operation) {
        let Way::Asked { query, question } = &self.way else {
            return;
        };
        if let Err(failure) = question::open(operation, self.name, query, question).await {
            let next = failure.hints.first().map(|hint| format!(" ({hint})"));
            operation.warn(format!(
                "probe {} cannot be asked of what is in place now: {failure}{}; without it there may be no verdict",
                self.name,
                next.unwrap_or_default()
            ));
        }
    }

    /// The probe for the stage that begins. A way through a target is opened once. A question is opened by each stage:
    /// another release may have another interface; when it cannot be, the one of the stage before is asked on, and its
    /// answers tell.
    ///
    /// # Errors
    /// It never could be opened. It is tried again by the next stage.
    pub(super) async fn open(&mut self, operation: &Operation) -> Result<Signal, Failure> {
        let means = match (&self.way, &self.signal) {
            (Way::Address { .. }, Some(signal)) => return Ok(signal.clone()),
            (Way::Address { page, via }, None) => {
                let mut page = page.clone();
                if let Some(via) = via {
                    forward::through(operation, via, self.name, &mut page).await?;
                }
                probes::Means::Http(page)
            }
            (Way::Asked { query, question }, earlier) => {
                match (
                    question::open(operation, self.name, query, question).await,
                    earlier,
                ) {
                    (Ok(ask), _) => probes::Means::Query(ask),
                    (Err(failure), Some(earlier)) => {
                        operation
                            .warn(format!("probe {} is asked as before: {failure}", self.name));
                        return Ok(earlier.clone());
                    }
                    (Err(failure), None) => return Err(failure),
                }
            }
        };
        let signal = Signal {
            name: self.name.to_owned(),
            gating: self.gating,
            means,
        };
        Ok(self.signal.insert(signal).clone())
    }
}
