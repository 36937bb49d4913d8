//! Everything in a `silo.toml` that could run code, or say how something is run, said before it is trusted: lifecycle hooks,
//! gates, and what the cluster's program is handed. Profiles are part of it, whichever is in use.

use super::model::{ConfigFile, Gate, Hooks, Layer, Profile, Text, WorkspaceLayer};

/// One line for each, in the order in which they would act; none where the file sets variables alone.
pub fn lines(file: &ConfigFile) -> Vec<String> {
    let mut lines = of_layer(&file.base, "");
    for (name, Profile { layer, append_hooks, append_args }) in &file.profiles {
        let within = format!(" with the profile `{name}`");
        lines.extend(of_layer(layer, &within));
        lines.extend(of_hooks(append_hooks, &within));
        lines.extend(of_arguments(append_args, &within));
    }
    // Those that a cluster brings along are said with it.
    lines.extend(file.gates.iter().map(|(tool, need)| {
        let what = match need.gate {
            Gate::Env => "only gets the variables".to_owned(),
            Gate::Cluster => "brings up the cluster first".to_owned(),
            Gate::Services if need.services.is_empty() => "brings up the services first".to_owned(),
            Gate::Services => {
                let names: Vec<String> = need.services.iter().map(|name| format!("`{}`", name.value)).collect();
                format!("brings up {} first, and what is needed for that", names.join(", "))
            }
            Gate::Tilt => "brings up everything first, hooks included".to_owned(),
        };
        format!("A gate sits in front of `{tool}`: it {what}")
    }));
    lines
}

fn of_layer(layer: &Layer, within: &str) -> Vec<String> {
    let mut lines = of_hooks(&layer.hooks, within);
    let services = layer.compose.as_ref().filter(|compose| compose.start != Some(false));
    lines.extend(services.map(|_| format!("`silo up` starts the services of the compose files{within}")));
    let cluster = (layer.k3d.enabled == Some(true)).then(|| {
        format!("A k3d cluster is made by `silo up`, and by the gates of kubectl, helm, k9s and tilt{within}")
    });
    lines.extend(cluster);
    let announced = layer.registry.host.as_ref().filter(|_| layer.registry.advertise != Some(false));
    lines.extend(announced.map(|host| {
        format!(
            "`silo up` announces the image registry `{}` in the cluster of the current kube context{within}",
            host.value
        )
    }));
    lines.extend(of_arguments(layer.k3d.args.as_deref().unwrap_or_default(), within));
    lines.extend(of_workspace(&layer.workspace, within));
    lines
}

/// What a new worktree gets, and what runs in it.
fn of_workspace(workspace: &WorkspaceLayer, within: &str) -> Vec<String> {
    let WorkspaceLayer { copy, clone, render, init } = workspace;
    let of = |list: &Option<Vec<Text>>, line: fn(&str) -> String| -> Vec<String> {
        list.iter().flatten().map(|text| line(&text.value) + within).collect()
    };
    let mut lines = of(copy, |glob| format!("`silo adopt` copies `{glob}` from the main checkout (workspace.copy)"));
    lines.extend(of(clone, |glob| format!("`silo adopt` clones `{glob}` from the main checkout (workspace.clone)")));
    lines.extend(of(render, |glob| {
        format!("`silo adopt` fills `{glob}` with the instance's variables (workspace.render)")
    }));
    lines.extend(of(init, |act| format!("`silo adopt` runs `{act}` (workspace.init)")));
    lines
}

fn of_hooks(hooks: &Hooks, within: &str) -> Vec<String> {
    let lists = [
        ("up", "pre-up", &hooks.pre_up),
        ("up", "post-up", &hooks.post_up),
        ("down", "pre-down", &hooks.pre_down),
        ("down", "post-down", &hooks.post_down),
    ];
    let of_list = |(command, key, list): (&str, &str, &Option<Vec<String>>)| -> Vec<String> {
        let line = |act: &String| format!("`silo {command}` runs `{act}` (hooks.{key}){within}");
        list.iter().flatten().map(line).collect()
    };
    lists.into_iter().flat_map(of_list).collect()
}

fn of_arguments(arguments: &[Text], within: &str) -> Vec<String> {
    arguments.iter().map(|text| format!("`k3d cluster create` gets `{}` (k3d.args){within}", text.value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::config::parse;

    #[test]
    fn all_that_runs_is_said_in_every_profile() {
        let toml = "version = 1\n[ports]\nA = 1\n[hooks]\npre-up = ['./a']\npost-down = ['./d']\n[k3d]\nenabled = true\nargs = ['-v=/:/x']\n\
                    [gates]\npsql = 'tilt'\n[profiles.p]\nhooks.post-up = ['./p']\n[profiles.p.append]\nhooks.pre-up = ['./q']\nk3d.args = ['-w']\n";
        let file = parse(toml).expect("it is valid");
        expect_test::expect![[r"
            `silo up` runs `./a` (hooks.pre-up)
            `silo down` runs `./d` (hooks.post-down)
            A k3d cluster is made by `silo up`, and by the gates of kubectl, helm, k9s and tilt
            `k3d cluster create` gets `-v=/:/x` (k3d.args)
            `silo up` runs `./p` (hooks.post-up) with the profile `p`
            `silo up` runs `./q` (hooks.pre-up) with the profile `p`
            `k3d cluster create` gets `-w` (k3d.args) with the profile `p`
            A gate sits in front of `psql`: it brings up everything first, hooks included
        "]]
        .assert_eq(&(lines(&file).join("\n") + "\n"));
        assert_eq!(lines(&parse("version = 1\n[ports]\nA = 1\n").expect("valid")), [""; 0]);
    }

    #[test]
    fn what_a_new_worktree_gets_and_runs_is_said() {
        let toml = "version = 1\nports.A = 1\n[workspace]\ncopy = ['.env']\nclone = ['node_modules']\nrender = ['.env']\n\
                    init = ['npm ci']\n[profiles.p]\nworkspace.init = []\n[profiles.q]\nworkspace.init = ['./q']\n";
        assert_eq!(
            lines(&parse(toml).expect("it is valid")),
            [
                "`silo adopt` copies `.env` from the main checkout (workspace.copy)",
                "`silo adopt` clones `node_modules` from the main checkout (workspace.clone)",
                "`silo adopt` fills `.env` with the instance's variables (workspace.render)",
                "`silo adopt` runs `npm ci` (workspace.init)",
                "`silo adopt` runs `./q` (workspace.init) with the profile `q`",
            ]
        );
    }

    #[test]
    fn the_services_are_said_unless_nobody_starts_them_and_so_are_their_gates() {
        let of = |toml: &str| lines(&parse(&format!("version = 1\n{toml}")).expect("it is valid"));
        assert_eq!(of("[compose]\nstart = false\n"), [""; 0]);
        assert_eq!(
            of("[compose]\n[gates]\npsql = 'services'\n[profiles.p]\ncompose.start = true\n"),
            [
                "`silo up` starts the services of the compose files",
                "`silo up` starts the services of the compose files with the profile `p`",
                "A gate sits in front of `psql`: it brings up the services first",
            ]
        );
    }
}
