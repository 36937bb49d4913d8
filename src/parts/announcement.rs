//! The word of where an image registry is that no cluster of silo's brings along: `[registry]`, announced in the cluster of
//! the user's own kubeconfig (docs/k3d.md).

use std::path::Path;

use super::fill;
use super::part::{Declared, Part, Run, Stage, Stop, Stopped};
use super::scope::{Scope, Site};
use crate::backend::kubectl::{self, Hosting};
use crate::core::config::Settings;
use crate::failure::Failure;
use crate::sys::cmd;

/// The part. It runs nothing: what it says stays in the cluster.
pub(super) struct Announcement;

impl Part for Announcement {
    fn title(&self) -> &'static str {
        "announcement"
    }

    fn stage(&self) -> Stage {
        Stage::Foundation
    }

    fn declared(&self, settings: &Settings, _: &Path) -> Declared {
        (!settings.k3d.cluster && settings.registry.is_said()).into()
    }

    fn up(&self, site: &mut Site<'_>, _: Run<'_>) -> Result<u8, Failure> {
        let Scope { context, project, settings, .. } = site.scope;
        let told = fill::announced(site, "registry", &settings.registry)?;
        let Some(hosting) = Hosting::outside(&told) else { return Ok(0) };
        if cmd::find("kubectl", &site.environment).is_none() {
            return Err(Failure::new("`kubectl` is not installed, and `[registry]` asks to announce one")
                .hint(kubectl::INSTALL));
        }
        let text = format!("Announcing image registry `{}` in the cluster of the current kube context", hosting.host);
        let _spinner = context.ui.spin(&text);
        kubectl::advertise(&hosting, &site.environment, &project.root).map(|_| 0)
    }

    fn down(&self, _: &Site<'_>, _: Stop) -> Result<Stopped, Failure> {
        Ok(Stopped::Kept)
    }
}
