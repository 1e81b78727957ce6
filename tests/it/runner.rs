//! How the runner reads what a step prints and writes (actions/runner: `ActionCommandManager`, `ActionCommand`,
//! `FileCommandManager`). Nothing here knows lastgood.

use std::collections::BTreeMap;

/// The log of a step, as the runner hears it.
#[derive(Debug, Default)]
pub(crate) struct Log {
    /// Command, properties, message; without stop and resume, masks and groups.
    pub(crate) commands: Vec<(String, String, String)>,
    pub(crate) masks: Vec<String>,
    pub(crate) groups: Vec<String>,
}

impl Log {
    /// Panics on what no step should print: an unknown command, a group that stays open, commands that stay stopped.
    #[track_caller]
    pub(crate) fn read(stdout: &str) -> Self {
        let mut log = Self::default();
        let mut stopped: Option<String> = None;
        let mut open = false;
        for line in stdout.lines() {
            let heard = command(line);
            if let Some(token) = &stopped {
                if heard.as_ref().is_some_and(|(name, ..)| name == token) {
                    stopped = None;
                }
                continue;
            }
            assert!(
                !line.contains("##["),
                "the old form is still heard: {line:?}"
            );
            let Some((name, properties, message)) = heard else {
                continue;
            };
            match name.as_str() {
                "stop-commands" => stopped = Some(message),
                "add-mask" => log.masks.push(unescaped(&message)),
                "group" => {
                    assert!(!open, "groups do not nest: {line:?}");
                    open = true;
                    log.groups.push(message);
                }
                "endgroup" => {
                    assert!(open, "no group is open: {line:?}");
                    open = false;
                }
                "error" | "warning" | "notice" => {
                    log.commands.push((name, properties, unescaped(&message)));
                }
                _ => panic!("the runner hears an unknown command: {line:?}"),
            }
        }
        assert_eq!(stopped, None, "commands stay stopped");
        assert!(!open, "a group stays open");
        log
    }

    /// The messages of a kind, with their properties.
    pub(crate) fn annotations(&self, kind: &str) -> Vec<String> {
        let of_kind = self.commands.iter().filter(|(name, ..)| name == kind);
        of_kind
            .map(|(_, properties, message)| format!("{properties} {message}"))
            .collect()
    }
}

/// `::name properties::message`, after white space.
fn command(line: &str) -> Option<(String, String, String)> {
    let (head, message) = line.trim().strip_prefix("::")?.split_once("::")?;
    let (name, properties) = head.split_once(' ').unwrap_or((head, ""));
    Some((name.to_owned(), properties.to_owned(), message.to_owned()))
}

fn unescaped(data: &str) -> String {
    data.replace("%0D", "\r")
        .replace("%0A", "\n")
        .replace("%25", "%")
}

/// The outputs in the file that `GITHUB_OUTPUT` names: `name=value`, or `name<<word` and lines up to one that is the word.
#[track_caller]
pub(crate) fn outputs(text: &str) -> BTreeMap<String, String> {
    let mut outputs = BTreeMap::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.is_empty() {
            continue;
        }
        let plain = line
            .split_once('=')
            .filter(|(name, _)| !name.contains("<<"));
        let (name, value) = match (plain, line.split_once("<<")) {
            (Some((name, value)), _) => (name, value.to_owned()),
            (None, Some((name, word))) => {
                assert!(!word.is_empty(), "{line:?}");
                let mut value = Vec::new();
                loop {
                    let next = lines.next();
                    match next.unwrap_or_else(|| panic!("{word:?} does not come again")) {
                        end if end == word => break,
                        inside => value.push(inside),
                    }
                }
                (name, value.join("\n"))
            }
            (None, None) => panic!("neither `name=value` nor `name<<word`: {line:?}"),
        };
        assert!(!name.is_empty(), "{line:?}");
        let before = outputs.insert(name.to_owned(), value);
        assert_eq!(before, None, "{name} twice");
    }
    outputs
}
