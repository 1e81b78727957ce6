//! The JSON Schema of the config file, for editors, made from the types that read it. The settings of target kinds come
//! from the kinds.

use super::file::{File, TargetCommon};
use schemars::{JsonSchema as _, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

/// Where the schema is published: what a config names in its first line for editors.
pub const SCHEMA_URL: &str =
    "https://raw.githubusercontent.com/lastgood/lastgood/main/docs/config.schema.json";

/// The schema, with the settings of these target kinds (kind, schema of its settings). Without any kind, every kind and
/// setting is accepted.
pub fn schema(target_schemas: &[(&str, Schema)]) -> Schema {
    let mut root: Value = SchemaGenerator::default()
        .into_root_schema_for::<File>()
        .into();
    root["$id"] = SCHEMA_URL.into();
    root["title"] = "lastgood config".into();
    if !target_schemas.is_empty() {
        let mut definitions = Map::new();
        let branches: Vec<Value> = target_schemas
            .iter()
            .map(|(kind, schema)| branch(kind, schema, &mut definitions))
            .collect();
        let kinds: Vec<&str> = target_schemas.iter().map(|(kind, _)| *kind).collect();
        let target = &mut root["$defs"]["Target"];
        target["properties"]["kind"]["enum"] = json!(kinds);
        target["allOf"] = branches.into();
        if let Some(defs) = root["$defs"].as_object_mut() {
            defs.append(&mut definitions);
        }
    }
    Schema::try_from(root).expect("an object is a schema")
}

/// The schema as it is published.
pub fn text(target_schemas: &[(&str, Schema)]) -> String {
    format!("{:#}\n", schema(target_schemas).as_value())
}

/// If the kind is this one, then these settings beside the common keys and no other.
fn branch(kind: &str, schema: &Schema, definitions: &mut Map<String, Value>) -> Value {
    let mut settings = schema.clone().to_value();
    let common = TargetCommon::json_schema(&mut SchemaGenerator::default()).to_value();
    if let Some(Value::Object(own)) = settings.get_mut("$defs").map(Value::take) {
        for (name, mut definition) in own {
            point_into(&mut definition, kind);
            definitions.insert(format!("{kind}.{name}"), definition);
        }
    }
    point_into(&mut settings, kind);
    if let Some(settings) = settings.as_object_mut() {
        for key in ["$defs", "$schema", "title"] {
            settings.remove(key);
        }
        let mut properties = Map::new();
        for name in common["properties"]
            .as_object()
            .into_iter()
            .flat_map(Map::keys)
        {
            properties.insert(name.clone(), Value::Bool(true));
        }
        if let Some(Value::Object(own)) = settings.remove("properties") {
            properties.extend(own);
        }
        settings.insert("properties".to_owned(), properties.into());
    }
    json!({
        "if": { "properties": { "kind": { "const": kind } }, "required": ["kind"] },
        "then": settings,
    })
}

/// References to a kind's own definitions become references to where they are kept.
fn point_into(value: &mut Value, kind: &str) {
    match value {
        Value::Object(object) => {
            if let Some(Value::String(reference)) = object.get_mut("$ref")
                && let Some(name) = reference.strip_prefix("#/$defs/")
            {
                *reference = format!("#/$defs/{kind}.{name}");
            }
            for value in object.values_mut() {
                point_into(value, kind);
            }
        }
        Value::Array(items) => {
            for item in items {
                point_into(item, kind);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => (),
    }
}
