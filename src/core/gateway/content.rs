//! What stands in the messages of a request beside text: what is fetched from elsewhere, and what has more tokens than bytes. It is
//! walked through without being kept.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// How much of a string is looked at.
const HEAD: usize = 48;
/// Values that a client's own tools give their meaning: a schema, or arguments that a model made up.
const OPAQUE: [&str; 6] = ["input", "input_schema", "parameters", "schema", "json_schema", "arguments"];

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// There are images or documents: their tokens do not follow from their bytes.
    pub(super) has_more_than_text: bool,
    /// What cannot be counted before it is sent.
    pub(super) refused: Option<&'static str>,
}

/// Walks through a value, and gives back the beginning of a string, or of the `url` in an object.
pub(super) struct Walk<'a>(pub(super) &'a mut Found);

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<String>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Option<String>, E> {
        Ok(None)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Option<String>, E> {
        Ok(None)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Option<String>, E> {
        Ok(None)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Option<String>, E> {
        Ok(None)
    }

    fn visit_unit<E: Error>(self) -> Result<Option<String>, E> {
        Ok(None)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Option<String>, E> {
        Ok(Some(text.chars().take(HEAD).collect()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Option<String>, A::Error> {
        while items.next_element_seed(Walk(&mut *self.0))?.is_some() {}
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Option<String>, A::Error> {
        let mut url = None;
        while let Some(key) = entries.next_key::<String>()? {
            if OPAQUE.contains(&key.as_str()) {
                entries.next_value::<IgnoredAny>()?;
                continue;
            }
            let value = entries.next_value_seed(Walk(&mut *self.0))?;
            let found = &mut *self.0;
            match (key.as_str(), value) {
                ("type", Some(kind)) => found.see(&kind),
                ("url", Some(address)) => url = Some(address),
                ("file_id", Some(_)) => found.stop("a file by its id"),
                ("file_url", Some(_)) => found.stop("a file by its URL"),
                ("image_url", Some(address)) if address.starts_with("data:") => found.has_more_than_text = true,
                ("image_url", Some(_)) => found.stop("an image by its URL"),
                _ => {}
            }
        }
        Ok(url)
    }
}

impl Found {
    fn stop(&mut self, what: &'static str) {
        self.refused.get_or_insert(what);
    }

    /// The `type` of an object.
    fn see(&mut self, kind: &str) {
        match kind {
            "url" => self.stop("an image or document by its URL"),
            "item_reference" => self.stop("an item that the provider has stored"),
            "input_audio" | "audio" => self.stop("audio"),
            "image" | "document" | "image_url" | "input_image" | "input_file" | "file" | "computer_screenshot" => {
                self.has_more_than_text = true;
            }
            _ => {}
        }
    }
}
