//! What the gateway says itself, in the shape of the API that was asked, so that clients understand it.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};
use silo::core::gateway::api::Shape;

use super::metered::Answered;

const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// Why a request is not sent, or not answered.
#[derive(Debug)]
pub(super) struct No {
    status: StatusCode,
    code: &'static str,
    message: String,
    /// Seconds until another try makes sense; 0 is never.
    retry: Option<u64>,
}

impl No {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), retry: None }
    }

    /// Clients are told not to try again by themselves: it would be refused for the same reason.
    pub(super) fn for_good(self) -> Self {
        Self { retry: Some(0), ..self }
    }

    /// Clients may try again after so many seconds.
    pub(super) fn after(self, seconds: u64) -> Self {
        Self { retry: Some(seconds.max(1)), ..self }
    }

    /// The word of the API for this kind of error.
    fn kind(&self, shape: Shape) -> &'static str {
        match (self.status, shape) {
            (StatusCode::UNAUTHORIZED, _) => "authentication_error",
            (StatusCode::FORBIDDEN, _) => "permission_error",
            (StatusCode::NOT_FOUND, Shape::Anthropic) => "not_found_error",
            (StatusCode::PAYLOAD_TOO_LARGE, Shape::Anthropic) => "request_too_large",
            (StatusCode::PAYMENT_REQUIRED, Shape::Anthropic) => "billing_error",
            (StatusCode::PAYMENT_REQUIRED, Shape::OpenAi) => "insufficient_quota",
            (StatusCode::TOO_MANY_REQUESTS, Shape::Anthropic) => "rate_limit_error",
            (StatusCode::TOO_MANY_REQUESTS, Shape::OpenAi) => "rate_limit_exceeded",
            (status, _) if status.is_server_error() => "api_error",
            _ => "invalid_request_error",
        }
    }

    fn body(&self, shape: Shape) -> Value {
        let message = format!("silo's gateway: {}", self.message);
        match shape {
            Shape::Anthropic => {
                json!({ "type": "error", "error": { "type": self.kind(shape), "message": message, "code": self.code } })
            }
            Shape::OpenAi => {
                json!({ "error": { "message": message, "type": self.kind(shape), "param": null, "code": self.code } })
            }
        }
    }

    /// As an answer.
    pub(super) fn answer(&self, shape: Shape) -> Response<Answered> {
        let mut answer = json_answer(self.status, &self.body(shape));
        match self.retry {
            Some(0) => {
                answer.headers_mut().insert(SHOULD_RETRY, HeaderValue::from_static("false"));
            }
            Some(seconds) => {
                answer.headers_mut().insert(SHOULD_RETRY, HeaderValue::from_static("true"));
                answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
            }
            None => {}
        }
        answer
    }
}

/// An answer of the gateway's own.
pub(super) fn json_answer(status: StatusCode, body: &Value) -> Response<Answered> {
    let mut answer = Response::new(Answered::Own(Full::new(Bytes::from(body.to_string()))));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}
