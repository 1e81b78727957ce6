//! GitHub's official `OpenAPI` description as the judge of the double: every answer it gives must be one that GitHub
//! could give. `tests/run` cuts the description (npm `@octokit/openapi`) into one JSON Schema file.

use crate::tools;
use crate::world::{Check, World};
use jsonschema::Validator;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

/// A world whose every answer is checked. What every test should start with.
pub async fn world() -> World {
    let world = World::start().await;
    if let Some(schema) = schema() {
        let check =
            move |operation: &str, status: u16, body: &Value| schema.check(operation, status, body);
        let check: Box<Check> = Box::new(check);
        world.check_with(check);
    }
    world
}

/// The schema file; each answer's validator is compiled when it is first needed, and kept.
#[derive(Debug)]
pub struct Schema {
    defs: Value,
    compiled: Mutex<BTreeMap<String, Arc<Validator>>>,
}

/// The schema, read once; `None` only outside of CI.
pub fn schema() -> Option<&'static Schema> {
    static SCHEMA: OnceLock<Option<Schema>> = OnceLock::new();
    let read = || {
        let file = tools::or_missing(schema_file(), "cut of GitHub's OpenAPI description")?;
        Some(Schema {
            defs: parsed(&file)["$defs"].take(),
            compiled: Mutex::default(),
        })
    };
    SCHEMA.get_or_init(read).as_ref()
}

fn schema_file() -> Option<PathBuf> {
    let named = tools::variable("LASTGOOD_TEST_SCHEMA").map(PathBuf::from);
    named
        .or_else(|| tools::cached("github-schema.json"))
        .filter(|file| file.is_file())
}

fn parsed(file: &Path) -> Value {
    let text = std::fs::read_to_string(file).expect("the file can be read");
    serde_json::from_str(&text).expect("the file is JSON")
}

impl Schema {
    /// Whether GitHub could answer this, and if not, where it differs.
    pub fn check(&self, operation: &str, status: u16, body: &Value) -> Result<(), String> {
        let validator = self.validator(operation, status)?;
        let errors: Vec<_> = validator
            .iter_errors(body)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        if errors.is_empty() {
            Ok(())
        } else {
            Err(errors.join("\n"))
        }
    }

    fn validator(&self, operation: &str, status: u16) -> Result<Arc<Validator>, String> {
        let name = match (operation, status) {
            ("error", 422) => "validation-error".to_owned(),
            ("error", _) => "basic-error".to_owned(),
            _described => format!("{operation} {status}"),
        };
        let mut compiled = self.compiled.lock().unwrap();
        if let Some(validator) = compiled.get(&name) {
            return Ok(Arc::clone(validator));
        }
        let answer = self
            .defs
            .get(&name)
            .ok_or_else(|| format!("GitHub describes no answer {name:?}"))?;
        let schema = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "allOf": [answer],
            // An error of GitHub's always says what is wrong, although the description does not demand it.
            "required": if operation == "error" { json!(["message"]) } else { json!([]) },
            "$defs": self.defs,
        });
        let options = jsonschema::options().should_validate_formats(true);
        let validator = Arc::new(options.build(&schema).map_err(|error| error.to_string())?);
        compiled.insert(name, Arc::clone(&validator));
        Ok(validator)
    }
}

/// GitHub's own examples, as the judge's judge: how many there are, and what is wrong with those that do not pass.
fn examples_refused(schema: &Schema) -> (usize, BTreeMap<String, String>) {
    let file = schema_file().expect("the schema was read from it");
    let examples = parsed(&file.with_file_name("github-examples.json"));
    let examples = examples.as_object().expect("the examples are an object");
    let refused = examples.iter().filter_map(|(name, body)| {
        let mut words = name.split(' ');
        let operation = words.next().unwrap();
        let status = words.next().unwrap().parse().unwrap();
        let why = schema.check(operation, status, body).err()?;
        Some((name.clone(), why))
    });
    (examples.len(), refused.collect())
}

#[test]
fn githubs_own_examples_pass_except_those_that_break_githubs_own_rules() {
    let Some(schema) = schema() else { return };
    let (count, refused) = examples_refused(schema);
    assert!(
        20 <= count,
        "found {count} examples, expected one for nearly every operation"
    );
    // The negative control: these lack a member that GitHub's own description demands.
    let lacking = BTreeMap::from([
        (
            "actions/list-jobs-for-workflow-run 200 default",
            "created_at",
        ),
        (
            "actions/list-jobs-for-workflow-run-attempt 200 default",
            "created_at",
        ),
        ("repos/get 200 default-response", "language"),
    ]);
    assert!(refused.keys().eq(lacking.keys()), "{refused:#?}");
    for (why, member) in refused.values().zip(lacking.values()) {
        assert!(why.contains(member), "{why}");
    }
}

#[test]
fn the_judge_names_the_place_that_is_wrong() {
    let Some(schema) = schema() else { return };
    let error = schema
        .check("actions/get-artifact", 200, &json!({"id": "seven"}))
        .unwrap_err();
    assert!(error.contains("/id"), "{error}");
    assert!(error.contains("archive_download_url"), "{error}");
    schema
        .check("actions/get-artifact", 299, &json!({}))
        .unwrap_err();
}
