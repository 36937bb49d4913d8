//! The ways in which providers are asked, and the paths of each.

/// The way a provider is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// As `OpenAI` is.
    OpenAi,
    /// As Anthropic is.
    Anthropic,
}

impl Shape {
    /// The shape of a name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "openai" => Some(Self::OpenAi),
            "anthropic" => Some(Self::Anthropic),
            _ => None,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
        }
    }
}

/// What a path of the gateway does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Api {
    /// `/v1/messages`.
    Messages,
    /// `/v1/messages/count_tokens`, which is free.
    CountTokens,
    /// `/v1/chat/completions`.
    Chat,
    /// `/v1/responses`.
    Responses,
    /// `/v1/embeddings`.
    Embeddings,
}

impl Api {
    /// What a path means, byte for byte: nothing is decoded, and no dots or slashes are resolved.
    pub fn at(path: &str) -> Option<Self> {
        let all = [Self::Messages, Self::CountTokens, Self::Chat, Self::Responses, Self::Embeddings];
        all.into_iter().find(|api| api.path() == path)
    }

    /// Its path, here and at the provider.
    pub fn path(self) -> &'static str {
        match self {
            Self::Messages => "/v1/messages",
            Self::CountTokens => "/v1/messages/count_tokens",
            Self::Chat => "/v1/chat/completions",
            Self::Responses => "/v1/responses",
            Self::Embeddings => "/v1/embeddings",
        }
    }

    /// The providers that know it.
    pub fn shape(self) -> Shape {
        match self {
            Self::Messages | Self::CountTokens => Shape::Anthropic,
            Self::Chat | Self::Responses | Self::Embeddings => Shape::OpenAi,
        }
    }

    /// Whether it costs something.
    pub fn is_counted(self) -> bool {
        self != Self::CountTokens
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_met_byte_for_byte() {
        assert_eq!(Api::at("/v1/messages"), Some(Api::Messages));
        assert_eq!(Api::at("/v1/messages/count_tokens"), Some(Api::CountTokens));
        for path in [
            "/v1/messages/",
            "//v1/messages",
            "/v1//messages",
            "/v1/../v1/messages",
            "/v1/%6dessages",
            "/V1/messages",
            "/v1/messages/batches",
            "/v1/files",
            "/v1/messages;x",
            "",
        ] {
            assert_eq!(Api::at(path), None, "{path}");
        }
    }
}
