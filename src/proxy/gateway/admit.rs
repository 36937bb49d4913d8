//! Whether a request may be sent: whose it is, which model, how fast, and what it may cost. What is let through is held in the
//! journal before anything is sent.

use std::sync::Arc;

use hyper::StatusCode;
use hyper::header::HeaderMap;
use silo::core::gateway::api::{Api, Shape};
use silo::core::gateway::catalog::Model;
use silo::core::gateway::keys::Key;
use silo::core::gateway::pace::TooFast;
use silo::core::gateway::request::{Asked, Refusal};
use silo::store::gateway::book::Refused;

use super::call::Call;
use super::headers;
use super::origin::Origin;
use super::says::No;
use super::shared::Gateway;
use super::upstream::Upstream;

/// The key of a request.
pub(super) fn key(gateway: &Gateway, origin: &Origin, headers: &HeaderMap) -> Result<Key, No> {
    let no = |message: &str| No::new(StatusCode::UNAUTHORIZED, "unknown_key", message).for_good();
    let Some(sent) = headers::sent_key(headers) else {
        return Err(no("the request has no placeholder key, or more than one; `silo key new` makes one"));
    };
    let keys = gateway.keys().map_err(|failure| failed(gateway, &failure))?;
    match keys.find(sent) {
        Some(key) if key.opens() => origin.takes(key).map(|()| key.clone()),
        Some(key) => Err(no(&format!("the key {} was taken back", key.id))),
        None => Err(no(
            "this is none of its placeholder keys; `silo key new` makes one, `silo doc gateway` says how an instance gets one",
        )),
    }
}

/// The model of a request, and who offers it.
pub(super) fn model(gateway: &Gateway, key: &Key, shape: Shape, name: &str) -> Result<(Arc<Upstream>, Model), No> {
    let shown: String = name.chars().filter(|c| !c.is_control()).take(80).collect();
    if !key.may_ask(name) {
        let message = format!("the key {} may not ask the model `{shown}`", key.id);
        return Err(No::new(StatusCode::FORBIDDEN, "model_not_allowed", message).for_good());
    }
    let Some((provider, _, model)) = gateway.file.offering(shape, name) else {
        let message = format!("no provider of gateway.toml offers the model `{shown}` by the {} API", shape.name());
        return Err(No::new(StatusCode::NOT_FOUND, "model_not_found", message).for_good());
    };
    Ok((gateway.upstream(provider), model.clone()))
}

/// Holds what a request may cost.
pub(super) fn hold(gateway: &Arc<Gateway>, key: &Key, api: Api, asked: &Asked, model: Model) -> Result<Call, No> {
    let worst = asked.worst(api, &model).map_err(|refusal| refused(&refusal))?;
    gateway.pace(&key.id, |pace, now| pace.take(key.limits, worst.tokens, now)).map_err(|too_fast| match too_fast {
        TooFast::Wait(what, wait) => {
            let message = format!("the key {} has no {what} left in this minute", key.id);
            No::new(StatusCode::TOO_MANY_REQUESTS, "too_fast", message).after(wait.as_secs() + 1)
        }
        TooFast::Never => {
            let message = format!(
                "this call may take {} tokens, more than the key {} may take in a minute; a lower limit of the answer helps",
                worst.tokens, key.id
            );
            No::new(StatusCode::TOO_MANY_REQUESTS, "too_fast", message).for_good()
        }
    })?;
    let held = gateway.book().hold(&key.id, key.budget, worst, &model.name);
    match held {
        Ok(number) => Ok(Call::new(gateway, number, &key.id, worst, model)),
        Err(refused) => {
            gateway.pace(&key.id, |pace, _| pace.give_back(worst.tokens));
            Err(match refused {
                Refused::Failed(failure) => failed(gateway, &failure),
                Refused::Exhausted(exhausted) => {
                    let left = |all: Option<u64>, spent: u64| all.map(|all| all.saturating_sub(spent));
                    let money = left(key.budget.money.map(|money| money.0), exhausted.committed.money.0);
                    let tokens = left(key.budget.tokens, exhausted.committed.tokens);
                    let budget = silo::core::gateway::amount::Budget {
                        money: money.map(silo::core::gateway::amount::Money),
                        tokens,
                    };
                    let message = format!(
                        "the budget of the key {} does not reach: {} of {} left, and this call may cost {} ({} tokens)",
                        key.id,
                        budget.shown(),
                        key.budget.shown(),
                        worst.money.shown(),
                        worst.tokens,
                    );
                    No::new(StatusCode::PAYMENT_REQUIRED, "budget_spent", message).for_good()
                }
            })
        }
    }
}

/// A request that is not sent.
pub(super) fn refused(refusal: &Refusal) -> No {
    No::new(StatusCode::BAD_REQUEST, refusal.code, refusal.message.clone()).for_good()
}

/// Nothing can be counted, so nothing is sent. What exactly is wrong is told at home alone.
fn failed(gateway: &Gateway, failure: &silo::failure::Failure) -> No {
    gateway.context.ui.fail(failure);
    No::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "cannot_count",
        "it cannot read or write its own files; `silo gateway status` tells more",
    )
}
