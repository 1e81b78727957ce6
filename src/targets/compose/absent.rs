//! What is told when a project or a service is not on the engine: what is there, and where that is.

use super::Compose;
use super::engine::{Engine, EngineError};
use super::project::{PROJECT, SERVICE};
use crate::targets::TargetError;
use bollard::query_parameters::ListContainersOptions;
use std::collections::{BTreeMap, BTreeSet};

/// Projects and services that are named in a message.
const NAMED_MAX: usize = 20;

/// The socket that a docker action always gets: that of the machine it runs on.
const RUNNERS: &str = "unix:///var/run/docker.sock";

/// The services of every project on the engine.
type Projects = BTreeMap<String, BTreeSet<String>>;

/// There is no container of the project, or none of a service that the settings name.
pub(super) async fn told(
    compose: &Compose,
    engine: &Engine,
    project: &str,
    missing: &[String],
) -> TargetError {
    let (projects, called) = tokio::join!(projects(engine), called(engine));
    match projects {
        Ok(projects) => refused(compose, &projects, &called, project, missing),
        Err(error) => error,
    }
}

fn refused(
    compose: &Compose,
    projects: &Projects,
    called: &str,
    project: &str,
    missing: &[String],
) -> TargetError {
    if let Some(services) = projects.get(project) {
        return TargetError::Refused {
            what: format!(
                "no container of service {} of project {project} on {called}; the project has {}",
                missing.join(", "),
                listed(services)
            ),
            allow: None,
            next: "correct `services`, or bring it up: docker compose up -d".to_owned(),
        };
    }
    let there: BTreeSet<String> = projects.keys().cloned().collect();
    let there = if there.is_empty() {
        "it has no Compose project at all".to_owned()
    } else {
        format!("it has projects {}", listed(&there))
    };
    let on_runner =
        compose.base.environment.contains_key("GITHUB_ACTIONS") && called.contains(RUNNERS);
    let next = if on_runner {
        "give docker-host (ssh://user@host): a docker action sees the engine of its runner, not that of the server"
    } else {
        "correct `project` (docker compose ls --all), or `host`"
    };
    TargetError::Refused {
        what: format!("no container of project {project} on {called}; {there}"),
        allow: None,
        next: next.to_owned(),
    }
}

fn listed(names: &BTreeSet<String>) -> String {
    let shown: Vec<&str> = names.iter().take(NAMED_MAX).map(String::as_str).collect();
    let more = names.len().saturating_sub(NAMED_MAX);
    match more {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Its name and where it is.
pub(super) async fn called(engine: &Engine) -> String {
    let at = engine.at();
    let info = engine.info().await.ok();
    match info.and_then(|info| info.get("Name")?.as_str()) {
        Some(name) => format!("engine {name} ({at})"),
        None => format!("the engine at {at}"),
    }
}

async fn projects(engine: &Engine) -> Result<Projects, TargetError> {
    let asked = ListContainersOptions {
        all: true,
        filters: Some([("label".to_owned(), vec![PROJECT.to_owned()])].into()),
        ..ListContainersOptions::default()
    };
    let listed = engine.api().list_containers(Some(asked)).await;
    let listed =
        listed.map_err(|error| EngineError::from(error).reading("the projects of the engine"))?;
    let mut projects = Projects::new();
    for labels in listed.into_iter().filter_map(|container| container.labels) {
        // Emptied by us, on containers that keep an image.
        let project = labels.get(PROJECT).filter(|project| !project.is_empty());
        if let Some(project) = project {
            let services = projects.entry(project.clone()).or_default();
            services.extend(labels.get(SERVICE).cloned());
        }
    }
    Ok(projects)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::targets::Base;
    use serde_json::json;

    #[track_caller]
    fn check(environment: &[(&str, &str)], project: &str, what: &str, next: &str) {
        let base = Base {
            environment: environment
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            ..Base::default()
        };
        let settings = json!({"project": project, "services": ["api"]});
        let compose = Compose::new("app", settings, &base).unwrap();
        let projects = Projects::from([
            ("blog".to_owned(), BTreeSet::from(["web".to_owned()])),
            (
                "shop".to_owned(),
                BTreeSet::from(["db".to_owned(), "web".to_owned()]),
            ),
        ]);
        let called = "engine web-1 (unix:///var/run/docker.sock)";
        let error = refused(&compose, &projects, called, project, &["api".to_owned()]);
        match error {
            TargetError::Refused {
                what: found,
                next: then,
                ..
            } => {
                assert_eq!(found, what);
                assert!(then.contains(next), "{then}");
            }
            other => panic!("{other}"),
        }
    }

    #[test]
    fn what_is_there_is_named() {
        let of_service = "no container of service api of project shop on engine web-1 (unix:///var/run/docker.sock); the project has db, web";
        check(&[], "shop", of_service, "correct `services`");
        let of_project = "no container of project store on engine web-1 (unix:///var/run/docker.sock); it has projects blog, shop";
        check(&[], "store", of_project, "correct `project`");
        check(
            &[("GITHUB_ACTIONS", "true")],
            "store",
            of_project,
            "give docker-host",
        );
    }
}
