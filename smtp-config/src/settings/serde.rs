//! Settings by serde: words as the language has them, secrets read and never written.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, SeqAccess, Visitor},
    ser::{Error as _, SerializeMap as _, SerializeSeq as _},
};
use smtp_proto::{Secret, tls_options::TlsVersion};

use super::{Password, Versions};
use crate::value::Value;

/// One word.
struct Word<T>(PhantomData<T>);

impl<T: Value> Visitor<'_> for Word<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a {} as text", T::WHAT)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        T::read(text).map_err(E::custom)
    }
}

/// A word inside something else.
struct Inner<T>(T);

impl<'de, T: Value> Deserialize<'de> for Inner<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        word::deserialize(deserializer).map(Self)
    }
}

pub(super) mod word {
    use super::*;

    pub(in super::super) fn serialize<T: Value, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&value.write())
    }

    pub(in super::super) fn deserialize<'de, T: Value, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
        from.deserialize_str(Word(PhantomData))
    }
}

pub(super) mod optional {
    use super::*;

    pub(in super::super) fn serialize<T: Value, S: Serializer>(
        value: &Option<T>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => word::serialize(value, to),
            None => to.serialize_none(),
        }
    }

    pub(in super::super) fn deserialize<'de, T: Value, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<T>, D::Error> {
        Ok(Option::<Inner<T>>::deserialize(from)?.map(|inner| inner.0))
    }
}

pub(super) mod words {
    use super::*;

    pub(in super::super) fn serialize<T: Value, S: Serializer>(
        values: &[T],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        let mut list = to.serialize_seq(Some(values.len()))?;
        for value in values {
            list.serialize_element(&*value.write())?;
        }
        list.end()
    }

    pub(in super::super) fn deserialize<'de, T: Value, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<T>, D::Error> {
        Ok(Vec::<Inner<T>>::deserialize(from)?.into_iter().map(|inner| inner.0).collect())
    }
}

impl Serialize for Versions {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        words::serialize(&[self.min, self.max], to)
    }
}

impl<'de> Deserialize<'de> for Versions {
    /// One version or a list of one or two, as the arguments of `protocols` (M51).
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Range;

        impl<'de> Visitor<'de> for Range {
            type Value = Versions;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("tls1.2 or tls1.3, or a list of the oldest and the newest")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Versions, E> {
                let only = TlsVersion::read(text).map_err(E::custom)?;
                Ok(Versions { min: only, max: only })
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Versions, A::Error> {
                let missing = || de::Error::invalid_length(0, &self);
                let min = list.next_element::<Inner<TlsVersion>>()?.ok_or_else(missing)?.0;
                let max = list.next_element::<Inner<TlsVersion>>()?.map_or(min, |inner| inner.0);
                if list.next_element::<de::IgnoredAny>()?.is_some() {
                    return Err(de::Error::invalid_length(3, &Self));
                }
                Ok(Versions { min, max })
            }
        }

        from.deserialize_any(Range)
    }
}

impl Serialize for Password {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(1))?;
        match self {
            Self::File(path) => map.serialize_entry("file", path)?,
            Self::Variable(name) => map.serialize_entry("env", name)?,
            Self::Literal(_) => {
                return Err(S::Error::custom(
                    "a password is not written; say where it is, by `file` or `env`, before settings are saved",
                ));
            }
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Password {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "snake_case")]
        enum Place {
            File(std::path::PathBuf),
            Env(String),
        }

        struct Source;

        // No message of its own may show what was given.
        impl<'de> Visitor<'de> for Source {
            type Value = Password;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a password: { file = \"PATH\" }, { env = \"NAME\" } or text")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Password, E> {
                Ok(Password::from_word(text, None))
            }

            fn visit_string<E: de::Error>(self, text: String) -> Result<Password, E> {
                match text.strip_prefix(super::FILE) {
                    Some(path) => Ok(Password::File(path.into())),
                    None => Ok(Password::Literal(Secret::from(text))),
                }
            }

            fn visit_u64<E: de::Error>(self, _: u64) -> Result<Password, E> {
                Err(E::custom("a password that is all digits must be in quotes"))
            }

            fn visit_i64<E: de::Error>(self, _: i64) -> Result<Password, E> {
                self.visit_u64(0)
            }

            fn visit_f64<E: de::Error>(self, _: f64) -> Result<Password, E> {
                self.visit_u64(0)
            }

            fn visit_bool<E: de::Error>(self, _: bool) -> Result<Password, E> {
                Err(E::custom("a password must be in quotes"))
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Password, A::Error> {
                Ok(match Place::deserialize(de::value::MapAccessDeserializer::new(map))? {
                    Place::File(path) => Password::File(path),
                    Place::Env(name) => Password::Variable(name),
                })
            }
        }

        from.deserialize_any(Source)
    }
}
