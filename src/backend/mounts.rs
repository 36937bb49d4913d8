//! What running containers of instances have of this machine: paths, volumes that are paths, and devices. Asked of the engine's
//! socket; elsewhere nothing is known.

use std::collections::HashMap;

use serde::Deserialize;

use super::engine::{Engine, Point, SERVICE, escaped};
use super::labels::LABEL;
use crate::core::services::{Kind, Outside};
use crate::failure::Failure;

/// A running container of some instance.
#[derive(Debug, Clone)]
pub struct Holder {
    id: String,
    /// Its name.
    pub container: String,
    /// The service.
    pub service: String,
    /// The instance's id.
    pub instance: String,
    mounts: Vec<Point>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Inspected {
    host_config: HostConfig,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct HostConfig {
    devices: Option<Vec<Device>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Device {
    path_on_host: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Volume {
    options: Option<HashMap<String, String>>,
}

impl Engine<'_> {
    /// The running containers of every instance but one.
    ///
    /// # Errors
    /// A [`Failure`] when the engine does not answer in time.
    pub fn others_of(&self, instance: &str) -> Result<Vec<Holder>, Failure> {
        let filter = serde_json::json!({ "label": [LABEL] }).to_string();
        let listed = self.listed(&format!("/containers/json?filters={}", escaped(&filter)))?;
        let all = listed.into_iter().map(|one| {
            let container = one.name();
            let label = |name: &str| one.labels.get(name).cloned().unwrap_or_default();
            let (service, instance) = (label(SERVICE), label(LABEL));
            Holder { id: one.id, container, service, instance, mounts: one.mounts }
        });
        Ok(all.filter(|one| one.instance != instance && !one.service.is_empty()).collect())
    }

    /// Whether a running container has something of this machine, and can change it. One that is gone meanwhile has nothing.
    ///
    /// # Errors
    /// A [`Failure`] when the engine does not answer in time.
    pub fn has(&self, holder: &Holder, what: &Outside) -> Result<bool, Failure> {
        let points = holder.mounts.iter().filter(|point| point.is_writable);
        Ok(match what.kind {
            Kind::Bind => points.into_iter().any(|point| point.kind == "bind" && point.source == what.path),
            Kind::Volume => {
                for point in points.filter(|point| point.kind == "volume") {
                    let volume = self.asked_for::<Volume>(&format!("/volumes/{}", escaped(&point.name)))?;
                    let device = volume.unwrap_or_default().options.unwrap_or_default().remove("device");
                    if device.as_ref() == Some(&what.path) {
                        return Ok(true);
                    }
                }
                false
            }
            Kind::Device => {
                let inspected = self.asked_for::<Inspected>(&format!("/containers/{}/json", escaped(&holder.id)))?;
                let devices = inspected.unwrap_or_default().host_config.devices.unwrap_or_default();
                devices.iter().any(|device| device.path_on_host == what.path)
            }
        })
    }
}
