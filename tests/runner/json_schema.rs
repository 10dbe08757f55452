//! Whether a value is what a JSON Schema says, for the keywords that `docs/reference/output.schema.json` uses.

use serde_json::{Map, Value};

/// A schema with its definitions.
pub(crate) struct Schema {
    whole: Value,
}

impl Schema {
    pub(crate) fn read(text: &str) -> Schema {
        Schema { whole: serde_json::from_str(text).expect("a schema in JSON") }
    }

    /// Fails with the reason when a value is not of the schema.
    pub(crate) fn check(&self, value: &Value) -> Result<(), String> {
        self.check_against(value, &self.whole)
    }

    fn check_against(&self, value: &Value, schema: &Value) -> Result<(), String> {
        let rules = schema.as_object().expect("a schema is an object");
        for (keyword, rule) in rules {
            self.check_rule(value, keyword, rule, rules)
                .map_err(|why| format!("{why} (in {value})"))?;
        }
        Ok(())
    }

    fn check_rule(
        &self,
        value: &Value,
        keyword: &str,
        rule: &Value,
        rules: &Map<String, Value>,
    ) -> Result<(), String> {
        let list = || rule.as_array().expect("a list");
        let ok = match keyword {
            "$schema" | "title" | "description" | "$defs" => true,
            "$ref" => {
                let name = rule.as_str().and_then(|r| r.strip_prefix("#/$defs/")).expect("a name");
                let schema = self.whole["$defs"].get(name);
                return self.check_against(value, schema.expect("a definition"));
            }
            "oneOf" => list().iter().filter(|s| self.check_against(value, s).is_ok()).count() == 1,
            "anyOf" => list().iter().any(|s| self.check_against(value, s).is_ok()),
            "const" => value == rule,
            "enum" => list().contains(value),
            "minimum" => value.as_i64() >= rule.as_i64(),
            "type" => match rule {
                Value::Array(types) => types.iter().any(|name| is(value, name)),
                name => is(value, name),
            },
            "required" => {
                list().iter().all(|name| value.get(name.as_str().expect("a name")).is_some())
            }
            "properties" => {
                for (name, member) in value.as_object().into_iter().flatten() {
                    if let Some(schema) = rule.get(name) {
                        self.check_against(member, schema)?;
                    }
                }
                true
            }
            "additionalProperties" => {
                let known = &rules["properties"];
                let mut names = value.as_object().into_iter().flatten().map(|(name, _)| name);
                *rule != Value::Bool(false) || names.all(|name| known.get(name).is_some())
            }
            "items" => {
                for item in value.as_array().into_iter().flatten() {
                    self.check_against(item, rule)?;
                }
                true
            }
            _ => panic!("the schema uses `{keyword}`, which is not checked"),
        };
        if ok { Ok(()) } else { Err(format!("{keyword} is not kept: {rule}")) }
    }
}

fn is(value: &Value, name: &Value) -> bool {
    match name.as_str().expect("the name of a type") {
        "null" => value.is_null(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("no type of JSON: {other}"),
    }
}

#[test]
fn refuses_what_is_no_object_of_the_schema() {
    let schema = Schema::read(include_str!("../../docs/reference/output.schema.json"));
    for (text, valid) in [
        (r#"{"type":"global","name":"n","value":1}"#, true),
        (r#"{"type":"global","name":"n","value":1.5}"#, false),
        (r#"{"type":"global","name":"n"}"#, false),
        (r#"{"type":"global","name":"n","value":1,"more":2}"#, false),
        (r#"{"type":"globe","name":"n","value":1}"#, false),
        (r#"{"type":"global","name":"n","value":{"count":0}}"#, true),
        (r#"{"type":"global","name":"n","value":{"sum":0}}"#, false),
        ("1", false),
    ] {
        let value = serde_json::from_str(text).expect("JSON");
        assert_eq!(schema.check(&value).is_ok(), valid, "{text}");
    }
}
