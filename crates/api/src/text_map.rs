//! Maps of strings, bounded: schemars bounds lists and strings, but no maps.

use schemars::{Schema, SchemaGenerator, json_schema};

/// The schema of a map of at most `ENTRIES` strings of at most `LENGTH` characters.
pub(crate) fn text_map<const ENTRIES: u32, const LENGTH: u32>(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": ENTRIES,
        "additionalProperties": {"type": "string", "maxLength": LENGTH},
    })
}
