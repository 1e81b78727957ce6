//! Measures the service and has it judged: probes in, probe log and verdict out. The schedule is `probes`', the
//! judgment `decide::judge`'s; here they are joined, and every line of the log is written before it is judged.

mod log;
mod means;
mod rules;

use super::attend::{self, Seen};
use super::locate::net_settings;
use super::operation::Operation;
use super::request::Latency;
use crate::decide::judge::{self, Judge};
use crate::decide::mitigate;
use crate::model::event::EventKind;
use crate::model::outcome::{Failure, Outcome};
use crate::model::probe::{LogLine, Rules, Stage};
use crate::model::verdict::{Call, Severity, Verdict};
use crate::net;
use crate::probes::{Prober, Signal, Tick};
use crate::report::Live;
use anyhow::Context as _;
use log::ProbeLog;
use means::Planned;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// The means of measuring one environment, and what was learnt so far.
#[derive(Debug)]
pub(super) struct Ward<'a> {
    operation: &'a Operation,
    http: reqwest::Client,
    planned: Vec<Planned<'a>>,
    control: Option<url::Url>,
    log: ProbeLog<'a>,
    /// Set when the targets saw enough: probes are asked no longer.
    enough: CancellationToken,
    /// Latencies of the healthy service before the deploy, in milliseconds.
    baseline: Option<Measured>,
}

/// What a baseline stage measured.
#[derive(Debug, Clone)]
pub(super) struct Measured {
    pub(super) verdict: Verdict,
    latencies_ms: Vec<f64>,
}

impl<'a> Ward<'a> {
    /// `None` when the environment has no probes and its targets cannot tell either: then nothing can be judged.
    pub(super) fn open(operation: &'a Operation) -> Result<Option<Self>, Failure> {
        let health = &operation.request.environment.health;
        if health.probes.is_empty() && !attend::any(operation) {
            return Ok(None);
        }
        let planned = health.probes.iter();
        let planned = planned.map(|probe| Planned::new(operation, probe));
        let planned = planned.collect::<Result<Vec<_>, _>>()?;
        let control = health.control_url.clone();
        let log = ProbeLog::create(operation)?;
        let http = net::client(&net_settings(&operation.request), net::Purpose::Probe)?;
        let ward = Self {
            operation,
            http,
            planned,
            control,
            log,
            enough: CancellationToken::new(),
            baseline: None,
        };
        ward.check()?;
        Ok(Some(ward))
    }

    /// A misconfigured test is an error before anything is contacted, never a pass.
    fn check(&self) -> Result<(), Failure> {
        let health = &self.operation.request.environment.health;
        if self.planned.is_empty() {
            return Ok(());
        }
        let mut stages = vec![Stage::Detect];
        stages.extend((!health.bake.is_zero()).then_some(Stage::Bake));
        let faults: Vec<String> = stages
            .into_iter()
            .flat_map(|stage| judge::check(&self.rules(stage)))
            .collect();
        if faults.is_empty() {
            return Ok(());
        }
        Err(Failure::msg(
            Outcome::Usage,
            format!("health: {}", faults.join("; ")),
        ))
    }

    /// Asks once for what the questions need, and warns of those that cannot be asked. Changes nothing.
    pub(super) async fn rehearse(&self) {
        for planned in &self.planned {
            planned.rehearse(self.operation).await;
        }
    }

    /// Before a change: how healthy is the service now?
    pub(super) async fn baseline(&mut self) -> Result<Option<Verdict>, Failure> {
        let is_off = self.operation.request.environment.health.baseline.is_zero();
        if is_off || self.planned.is_empty() {
            return Ok(None);
        }
        let (verdict, latencies_ms) = self.stage(Stage::Baseline).await?;
        self.baseline = Some(Measured {
            verdict: verdict.clone(),
            latencies_ms,
        });
        Ok(Some(verdict))
    }

    /// Whether the baseline of this command was judged healthy.
    pub(super) fn was_well(&self) -> bool {
        self.baseline
            .as_ref()
            .is_some_and(|measured| measured.verdict.call == Call::Healthy)
    }

    /// After a change: the probes, and what the targets see of what is in place, side by side.
    pub(super) async fn judge(&mut self) -> Result<Verdict, Failure> {
        self.operation.may_go_on()?;
        let operation = self.operation;
        self.enough = CancellationToken::new();
        let enough = self.enough.clone();
        let stop = operation.stop.clone();
        let attending = async {
            let seen = tokio::select! {
                biased;
                () = stop.cancelled() => None,
                seen = attend::all(operation) => seen,
            };
            if seen.as_ref().is_some_and(Seen::is_bad) {
                enough.cancel();
            }
            seen
        };
        let mut attending = std::pin::pin!(attending);
        let mut seen = None;
        let probed = {
            let mut probing = std::pin::pin!(self.probed());
            loop {
                tokio::select! {
                    biased;
                    probed = &mut probing => break probed?,
                    looked = &mut attending, if seen.is_none() => seen = Some(looked),
                }
            }
        };
        let is_over = probed
            .as_ref()
            .is_some_and(|verdict| verdict.call == Call::Unhealthy);
        let seen = match seen {
            Some(seen) => seen,
            // One bad answer is enough.
            None if is_over => None,
            None => {
                if probed.is_some() {
                    operation.note("the probes are done; what is in place is watched on, until the windows of its targets are over");
                }
                attending.await
            }
        };
        self.together(probed.as_ref(), seen.as_ref())
    }

    /// The test, and when it passes the bake. `None`: no probes, or the targets saw enough before there was a verdict.
    async fn probed(&mut self) -> Result<Option<Verdict>, Failure> {
        if self.planned.is_empty() {
            return Ok(None);
        }
        let (verdict, _) = self.stage(Stage::Detect).await?;
        let is_last = self.operation.request.environment.health.bake.is_zero();
        let verdict = if verdict.call != Call::Healthy || is_last {
            verdict
        } else {
            self.stage(Stage::Bake).await?.0
        };
        Ok((!self.enough.is_cancelled()).then_some(verdict))
    }

    /// One verdict of both; told when it is not the one of the probes.
    fn together(&self, probed: Option<&Verdict>, seen: Option<&Seen>) -> Result<Verdict, Failure> {
        let verdict = match (probed, seen) {
            (Some(verdict), None) => verdict.clone(),
            // A watch that was cut short says nothing.
            (None, None) => {
                self.operation.cut()?;
                unseen()
            }
            (_, Some(seen)) => {
                let watched_s = seen.watched.as_secs();
                mitigate::with_sightings(probed.cloned(), &seen.sightings, watched_s)
            }
        };
        if probed != Some(&verdict) {
            self.operation.tell(EventKind::Judged {
                stage: Stage::Detect,
                verdict: verdict.clone(),
            });
        }
        Ok(verdict)
    }

    /// The ways to the probes that go through a target, and the questions.
    async fn open_ways(&mut self) -> Result<Vec<Signal>, Failure> {
        let mut signals = Vec::new();
        for planned in &mut self.planned {
            signals.push(planned.open(self.operation).await?);
        }
        Ok(signals)
    }

    /// A mistake in the config, found while nothing was changed.
    fn is_misuse(&self, failure: &Failure) -> bool {
        failure.kind == Outcome::Usage && !self.operation.facts().begun
    }

    async fn stage(&mut self, stage: Stage) -> Result<(Verdict, Vec<f64>), Failure> {
        self.operation.may_go_on()?;
        let signals = match self.open_ways().await {
            Ok(signals) => signals,
            Err(failure) if stage == Stage::Baseline || self.is_misuse(&failure) => {
                return Err(failure);
            }
            // What was changed is changed, and what the targets see of it counts.
            Err(failure) => {
                self.operation.cut()?;
                let why = format!("the probes could not be asked: {failure}");
                self.operation.warn(why.clone());
                return Ok((no_verdict(why), Vec::new()));
            }
        };
        let rules = self.rules(stage);
        self.operation.tell(EventKind::Watching {
            stage,
            signals: rules
                .gating
                .iter()
                .chain(&rules.observing)
                .cloned()
                .collect(),
            rate: rules.rate,
            cap_s: rules.cap_s,
        });
        self.log.write(&LogLine::Rules(rules.clone()));
        let (sender, mut ticks) = mpsc::channel(256);
        let stop = self.operation.stop.child_token();
        let probing = Prober::start(
            self.http.clone(),
            signals,
            self.control.clone(),
            rules.rate,
            Duration::from_millis(rules.deadline_ms),
            sender,
            stop.clone(),
        );
        let judged = self.listen(&mut ticks, rules).await;
        stop.cancel();
        drop(ticks);
        probing.await.context("the prober stopped")?;
        self.operation.live(&Live::Quiet);
        self.log.flush();
        let (verdict, latencies_ms) = judged?;
        self.log.tell();
        if !self.enough.is_cancelled() {
            self.operation.tell(EventKind::Judged {
                stage,
                verdict: verdict.clone(),
            });
        }
        Ok((verdict, latencies_ms))
    }

    /// Reads ticks until the verdict, or until we are asked to stop.
    async fn listen(
        &mut self,
        ticks: &mut mpsc::Receiver<Tick>,
        rules: Rules,
    ) -> Result<(Verdict, Vec<f64>), Failure> {
        let (stage, cap_s) = (rules.stage, rules.cap_s);
        let mut judge = Judge::new(rules);
        loop {
            let tick = tokio::select! {
                biased;
                () = self.operation.stop.cancelled() => None,
                () = self.enough.cancelled() => None,
                tick = ticks.recv() => tick,
            };
            match tick {
                Some(Tick::Probe(probe)) => {
                    self.log.write(&LogLine::Probe(probe.clone()));
                    judge.probe(probe);
                }
                Some(Tick::SecondDone(second)) => {
                    self.log.flush();
                    let verdict = judge.close_second(second);
                    self.operation.live(&Live::Standing {
                        stage,
                        standing: &judge.standing(),
                        cap_s,
                    });
                    if let Some(verdict) = verdict {
                        return Ok((verdict, judge.latencies_ms().to_vec()));
                    }
                }
                None => {
                    self.log.write(&LogLine::Cut {
                        due_ms: judge.cut_at_ms(),
                    });
                    let latencies_ms = judge.latencies_ms().to_vec();
                    return Ok((judge.finish(true), latencies_ms));
                }
            }
        }
    }

    fn rules(&self, stage: Stage) -> Rules {
        let health = &self.operation.request.environment.health;
        let named = |gating: bool| {
            self.planned
                .iter()
                .filter(move |planned| planned.gating == gating)
                .map(|planned| planned.name.to_owned())
                .collect()
        };
        let mut rules = judge::rules(stage, named(true), named(false));
        rules::lay_over(&mut rules, health);
        rules.has_control = self.control.is_some();
        let baseline = self.baseline.as_ref();
        rules.deadline_ms =
            judge::deadline_ms(baseline.map(|it| judge::measured(&it.verdict).latency_ms_p99));
        if let Some(baseline) = baseline
            && stage != Stage::Baseline
        {
            rules = judge::with_baseline(rules, &baseline.verdict);
            if health.latency != Latency::Off {
                rules.latency =
                    judge::latency_rule(&baseline.latencies_ms, health.latency == Latency::Gate);
            }
        }
        rules
    }
}

/// Nothing was asked and nothing was seen: what that leads to is policy's.
fn unseen() -> Verdict {
    no_verdict("what is in place could not be watched, and no probes are configured".to_owned())
}

const fn no_verdict(why: String) -> Verdict {
    Verdict {
        call: Call::Inconclusive,
        why,
        severity: Severity::None,
        at_s: 0,
        warm_up_s: 0,
        evidence: Vec::new(),
        notes: Vec::new(),
    }
}
