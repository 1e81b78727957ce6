//! Services as an engine describes them, and what is held by them.

use super::*;
use crate::decide::compose::awaited;
use crate::targets::compose::project::DEPENDS_ON;
use serde_json::json;

fn d(digit: char) -> String {
    format!("sha256:{}", digit.to_string().repeat(64))
}

/// `web-1 up a`: name, state (`up`, `exit0`, `exit1`, `restarting`, `created`), the digit of its image's id.
fn replica(text: &str) -> Replica {
    let mut words = text.split(' ');
    let (name, state, digit) = (
        words.next().unwrap(),
        words.next().unwrap(),
        words.next().unwrap(),
    );
    let service = name.split('-').next().unwrap();
    let (status, code) = match state {
        "up" => ("running", 0),
        "exit0" => ("exited", 0),
        "exit1" => ("exited", 1),
        other => (other, 0),
    };
    let depends = words.next().unwrap_or_default();
    let raw = json!({
        "Id": name, "Name": format!("/{name}"), "Image": d(digit.chars().next().unwrap()),
        "State": {
            "Status": status, "ExitCode": code,
            "Running": status == "running" || status == "restarting", "Restarting": status == "restarting",
        },
        "HostConfig": {"RestartPolicy": {"Name": "no"}, "PortBindings": {}},
        "Config": {
            "Image": format!("shop/{service}:1"),
            "Labels": {"com.docker.compose.service": service, DEPENDS_ON: depends},
        },
    });
    Replica::read(raw).unwrap()
}

fn look(replicas: &[&str], images: &[(char, &[&str])]) -> Look {
    let mut project = Project::new();
    for replica in replicas.iter().map(|text| replica(text)) {
        let service = project.entry(replica.service.clone()).or_default();
        if replica.is_aside() {
            service.aside.push(replica);
        } else {
            service.replicas.push(replica);
        }
    }
    let replicas = project.values().flat_map(|service| &service.replicas);
    let labels = replicas.filter_map(|replica| replica.labels.get(DEPENDS_ON));
    let awaited = labels
        .flat_map(|label| awaited(label))
        .map(str::to_owned)
        .collect();
    let images = images.iter().map(|(digit, names)| {
        let names: Vec<String> = names
            .iter()
            .map(|name| {
                let (name, digit) = name.split_once('@').unwrap();
                format!("{name}@{}", d(digit.chars().next().unwrap()))
            })
            .collect();
        let raw = json!({"Id": d(*digit), "RepoDigests": names});
        (d(*digit), Image::read(raw, d(*digit)).unwrap())
    });
    Look {
        project,
        images: images.collect(),
        awaited,
        ran: BTreeSet::new(),
    }
}

#[track_caller]
fn check(replicas: &[&str], wanted: &str, expected: &str, phase: Phase) {
    let look = look(
        replicas,
        &[('a', &["shop/web@1", "copy/web@2"]), ('b', &["shop/web@3"])],
    );
    let wanted: Vec<Revision> = wanted.chars().map(|digit| Revision(d(digit))).collect();
    let held = look.held(&look.project["web"], &wanted);
    assert_eq!(held.phase, phase);
    let found = held
        .revision
        .map(|revision| match revision.0.strip_prefix("sha256:") {
            Some(hex) => hex.chars().take(1).collect::<String>(),
            None => revision.0,
        });
    assert_eq!(found.unwrap_or_default(), expected);
}

#[test]
fn what_a_service_holds() {
    use Phase::{Running, Stopped};
    check(&["web-1 up a"], "", "1", Running);
    // The revision that was asked for, when the image has it too.
    check(&["web-1 up a"], "2", "2", Running);
    check(&["web-1 up a"], "a", "a", Running);
    check(&["web-1 up a"], "3", "1", Running);
    check(&["web-1 up a", "web-2 up a"], "2", "2", Running);
    check(
        &["web-1 up a", "web-2 up b"],
        "2",
        "mixed:111111111111+333333333333",
        Running,
    );
    // The engine has dropped the image.
    check(&["web-1 up c"], "", "c", Running);
    check(&["web-1 exit1 a"], "", "1", Stopped);
    check(&["web-1 created a"], "", "1", Stopped);
    check(&["web-1 restarting a"], "", "1", Stopped);
    check(&["web-1 up a", "web-2 exit1 a"], "", "1", Stopped);
    // A change that was killed: nothing has the name, or both are there.
    check(&["web-1-lastgood-aside up b"], "", "3", Stopped);
    check(
        &["web-1 up a", "web-1-lastgood-aside exit0 b"],
        "",
        "1",
        Stopped,
    );
}

#[test]
fn a_job_that_ended_well_has_nothing_left_to_do() {
    check(&["web-1 exit0 a"], "", "1", Phase::Running);
    check(&["web-1 exit0 a", "web-2 up a"], "", "1", Phase::Stopped);
    let of = |replicas: &[&str], served: bool| {
        let mut look = look(replicas, &[]);
        let web = look.project.get_mut("web").unwrap();
        if served {
            web.replicas[0].raw["State"]["Health"] =
                json!({"Status": "unhealthy", "Log": [{"ExitCode": 0}]});
        }
        look.job(&look.project["web"])
    };
    let waits = "api-1 created a web:service_completed_successfully:false";
    assert_eq!(of(&["web-1 exit0 a", waits], true), Job::Done);
    assert_eq!(of(&["web-1 exit0 a"], true), Job::No);
    assert_eq!(of(&["web-1 exit0 a"], false), Job::Done);
    assert_eq!(of(&["web-1 exit1 a", waits], false), Job::Failed(1));
    assert_eq!(of(&["web-1 exit1 a"], false), Job::No);
    assert_eq!(of(&["web-1 up a", waits], false), Job::AtWork);
    assert_eq!(of(&["web-1 created a", waits], false), Job::Waiting);
    let aside = "web-1-lastgood-aside exit0 b";
    assert_eq!(of(&["web-1 exit0 a", aside], false), Job::No);
    assert_eq!(of(&["web-1 exit0 a", aside, waits], false), Job::Done);
    // What ran when the release was recorded is there to run, whatever it ended with; unless others wait for its end.
    let ran = |replicas: &[&str]| {
        let mut look = look(replicas, &[]);
        look.ran.insert("web".to_owned());
        let web = &look.project["web"];
        (look.job(web), look.held(web, &[]).phase)
    };
    assert_eq!(ran(&["web-1 exit0 a"]), (Job::No, Phase::Stopped));
    assert_eq!(ran(&["web-1 exit0 a", waits]), (Job::Done, Phase::Running));
    // Whose work failed, or was left in the middle, does not run.
    check(&["web-1 exit1 a", waits], "", "1", Phase::Stopped);
    check(&["web-1 exit0 a", aside, waits], "", "1", Phase::Stopped);
}
