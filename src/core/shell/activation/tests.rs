use super::*;
use proptest::prelude::*;

fn environment(pairs: &[(&str, &str)]) -> Environment {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn vars(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn applied(mut environment: Environment, changes: &[Change]) -> Environment {
    for change in changes {
        match &change.value {
            Some(value) => environment.set(change.name.clone(), std::ffi::OsString::from_vec(value.clone())),
            None => environment.remove(&change.name),
        }
    }
    environment
}

fn of<'a>(root: &'a str, vars: &'a [(String, String)]) -> Given<'a> {
    Given { root: root.as_bytes(), vars, path: None }
}

#[test]
fn path_is_a_list_of_which_only_the_own_entry_comes_and_goes() {
    let start = environment(&[("PATH", "/usr/bin:/bin")]);
    let given = Given { root: b"/p", vars: &[], path: Some(b"/gates") };
    let mut inside = applied(start.clone(), &enter(&start, None, &given));
    assert_eq!(inside.text("PATH"), Some("/gates:/usr/bin:/bin"));
    inside.set("PATH", "/mine:/gates:/usr/bin:/bin:/late");
    let undo = Undo::of(&inside);
    assert_eq!(
        enter(&inside, undo.as_ref(), &given)[0].value.as_deref(),
        Some(b"/gates:/mine:/usr/bin:/bin:/late".as_slice())
    );
    assert_eq!(left(inside).text("PATH"), Some("/mine:/usr/bin:/bin:/late"));
}

#[test]
fn gates_of_an_instance_that_was_left_go_out_of_path() {
    let gates = |id: &str| format!("/home/x/.local/state/silo/instances/{id}/gates");
    let (old, new) = (gates("0123456789abcdef"), gates("fedcba9876543210"));
    let others = "/x/gates:/silo/instances/short/gates::/bin";
    let strayed = environment(&[("PATH", &format!("/mine:{old}:{others}"))]);
    let given = Given { root: b"/p", vars: &[], path: Some(new.as_bytes()) };
    let inside = applied(strayed.clone(), &enter(&strayed, None, &given));
    assert_eq!(inside.text("PATH"), Some(format!("{new}:/mine:{others}").as_str()));
    assert_eq!(left(strayed).text("PATH"), Some(format!("/mine:{others}").as_str()));
}

#[test]
fn what_is_barred_stays_out_of_path_below_but_not_elsewhere() {
    let gated = |root: &'static str| Given { root: root.as_bytes(), vars: &[], path: Some(b"/gates") };
    let again = |environment: Environment, given: &Given<'_>| {
        let undo = Undo::of(&environment);
        let changes = enter(&environment, undo.as_ref(), given);
        applied(environment, &changes)
    };
    let start = environment(&[("PATH", "/usr/bin::/bin")]);
    let barred = again(again(start.clone(), &gated("/p")), &Given { path: Some(BARRED), ..gated("/p") });
    assert_eq!(barred.text("PATH"), start.text("PATH"));
    assert_eq!(again(barred.clone(), &gated("/p")), barred, "a shell below enters by itself");
    assert_eq!(left(barred.clone()), start);
    assert_eq!(again(barred.clone(), &gated("/other")).text("PATH"), Some("/gates:/usr/bin::/bin"));
    assert_eq!(again(left(barred), &gated("/p")).text("PATH"), Some("/gates:/usr/bin::/bin"));
}

fn entered(environment: Environment, root: &str, given: &[(&str, &str)]) -> Environment {
    let undo = Undo::of(&environment);
    let changes = enter(&environment, undo.as_ref(), &of(root, &vars(given)));
    applied(environment, &changes)
}

fn left(environment: Environment) -> Environment {
    let undo = Undo::of(&environment);
    let changes = leave(&environment, undo.as_ref());
    applied(environment, &changes)
}

#[test]
fn leaving_restores_the_old_value_and_unsets_a_new_one() {
    let start = environment(&[("WEB", "mine"), ("OTHER", "x")]);
    let inside = entered(start.clone(), "/p", &[("WEB", "3000"), ("API", "8080")]);
    assert_eq!((inside.text("WEB"), inside.text("API")), (Some("3000"), Some("8080")));
    assert_eq!(left(inside), start);
}

#[test]
fn a_variable_the_user_changed_since_is_left_alone() {
    let mut inside = entered(environment(&[("WEB", "mine")]), "/p", &[("WEB", "3000")]);
    inside.set("WEB", "9999");
    assert_eq!(left(inside.clone()).text("WEB"), Some("9999"));
    let again = entered(inside, "/p", &[("WEB", "3000"), ("NEW", "1")]);
    assert_eq!((again.text("WEB"), again.text("NEW")), (Some("9999"), Some("1")));
    assert_eq!(left(again).text("WEB"), Some("9999"));
}

#[test]
fn entering_b_from_a_first_undoes_a() {
    let a = entered(environment(&[("X", "0")]), "/a", &[("X", "1"), ("ONLY_A", "1")]);
    let b = entered(a, "/b", &[("X", "2")]);
    assert_eq!((b.text("X"), b.text("ONLY_A")), (Some("2"), None));
    assert_eq!(left(b), environment(&[("X", "0")]));
}

#[test]
fn entering_again_changes_nothing() {
    let inside = entered(environment(&[("X", "0")]), "/a", &[("X", "1")]);
    let undo = Undo::of(&inside);
    assert_eq!(enter(&inside, undo.as_ref(), &of("/a", &vars(&[("X", "1")]))), []);
}

#[test]
fn a_variable_that_went_out_of_the_project_is_restored() {
    let inside = entered(environment(&[("X", "0")]), "/a", &[("X", "1"), ("Y", "1")]);
    let fewer = entered(inside, "/a", &[("Y", "1")]);
    assert_eq!((fewer.text("X"), fewer.text("Y")), (Some("0"), Some("1")));
}

#[test]
fn an_unreadable_record_takes_nothing_back_and_goes() {
    let start = environment(&[("X", "1"), (UNDO, "garbage;%")]);
    assert_eq!(left(start), environment(&[("X", "1")]));
    assert_eq!(Undo::parse(b"1;/p;A B=1"), None);
    assert_eq!(
        Undo::parse(b"1;/p;A=%00"),
        Some(Undo {
            root: b"/p".into(),
            path: None,
            entries: vec![Entry { name: "A".into(), given: Short::of(&[0]), before: None }]
        })
    );
}

#[test]
fn what_an_earlier_silo_gave_is_taken_back_and_a_later_one_is_not_understood() {
    let pairs = [("NEW", "two words"), ("OLD", "given"), ("CHANGED", "mine"), ("PATH", "/gates:/bin")];
    let record = "/p;+/gates;NEW=two%20words;OLD=given:be%3Afore;CHANGED=given";
    let with = |record: &str| environment(&[&pairs[..], &[(UNDO, record)]].concat());
    let outside = environment(&[("OLD", "be:fore"), ("CHANGED", "mine"), ("PATH", "/bin")]);
    assert_eq!(left(with(&format!("1;{record}"))), outside);
    let given = [("NEW", "two words"), ("OLD", "given"), ("CHANGED", "given")];
    let again = entered(with(&format!("1;{record}")), "/p", &given);
    assert!(again.text(UNDO).is_some_and(|record| record.starts_with("2;")));
    assert_eq!(again.text("CHANGED"), Some("mine"));
    assert_eq!(left(again), outside);
    for version in ["0", "2", "3", "", "1 "] {
        assert_eq!(left(with(&format!("{version};{record}"))), environment(&pairs), "{version}");
    }
}

#[test]
fn a_record_is_as_short_for_a_large_value_and_comes_before_what_it_takes_back() {
    let start = environment(&[("A", "mine")]);
    let large = "x".repeat(200_000);
    let inside = entered(start.clone(), "/p", &[("A", &large), ("B", &large), ("C", "\n;=:%")]);
    let record = inside.text(UNDO).expect("it is set");
    assert!(record.len() < 64, "{record}");
    let names = |changes: Vec<Change>| changes.into_iter().map(|change| change.name).collect::<Vec<_>>();
    assert_eq!(names(enter(&start, None, &of("/p", &vars(&[("A", "1")])))), [UNDO, "A"]);
    assert_eq!(names(leave(&inside, Undo::of(&inside).as_ref())), ["A", "B", "C", UNDO]);
    assert_eq!(left(inside), start);
}

proptest! {
    #[test]
    fn entering_then_leaving_is_the_first_environment(
        before in proptest::collection::btree_map("[A-E]", proptest::collection::vec(1u8.., 0..12), 0..5),
        given in proptest::collection::btree_map("[A-E]", "[^\0]{0,12}", 0..5),
        other in proptest::collection::btree_map("[A-E]", "[^\0]{0,12}", 0..5),
    ) {
        let start: Environment =
            before.into_iter().map(|(name, value)| (name, std::ffi::OsString::from_vec(value))).collect();
        let pairs = |map: &std::collections::BTreeMap<String, String>| map.clone().into_iter().collect::<Vec<_>>();
        let one = applied(start.clone(), &enter(&start, None, &of("/a", &pairs(&given))));
        let undo = Undo::of(&one);
        let two = applied(one.clone(), &enter(&one, undo.as_ref(), &of("/b", &pairs(&other))));
        prop_assert_eq!(left(one), start.clone());
        prop_assert_eq!(left(two), start);
    }

    #[test]
    fn a_record_comes_back_and_no_bytes_panic(
        root in proptest::collection::vec(any::<u8>(), 0..20),
        given in proptest::collection::vec(any::<u8>(), 0..20),
        before in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..20)),
        noise in proptest::collection::vec(any::<u8>(), 0..60),
    ) {
        let given = Short::of(&given);
        let undo = Undo { path: before.clone(), root, entries: vec![Entry { name: "A_1".into(), given, before }] };
        prop_assert_eq!(Undo::parse(&undo.render()), Some(undo));
        let _ = Undo::parse(&noise);
        let _ = Undo::parse(&[b"1;".as_slice(), &noise].concat());
        let _ = Undo::parse(&[b"2;".as_slice(), &noise].concat());
    }
}

#[test]
fn the_shell_looks_at_what_was_not_silos_and_brings_back_what_is_left() {
    let names = |turns: &Turns<'_>| [&turns.unseen, &turns.seen, &turns.old, &turns.back].map(|names| names.join(" "));
    let outside = environment(&[("SEEN", "1"), ("SAME", "new"), ("PATH", "/bin")]);
    let given = vars(&[("UNSEEN", "new"), ("SEEN", "new"), ("SAME", "new")]);
    let changes = enter(&outside, None, &Given { root: b"/a", vars: &given, path: Some(b"/gates") });
    assert_eq!(names(&Turns::of(&outside, None, &changes, &given)), ["UNSEEN", "SEEN", "", ""]);

    let mut inside = applied(outside, &changes);
    inside.set("SEEN", "mine");
    let undo = Undo::of(&inside);
    let changes = leave(&inside, undo.as_ref());
    let turns = Turns::of(&inside, undo.as_ref(), &changes, &[]);
    assert_eq!(names(&turns), ["", "", "UNSEEN SEEN SAME", "UNSEEN"]);

    let other = vars(&[("UNSEEN", "other"), ("ELSE", "1")]);
    let changes = enter(&inside, undo.as_ref(), &Given { root: b"/b", vars: &other, path: None });
    let turns = Turns::of(&inside, undo.as_ref(), &changes, &other);
    assert_eq!(names(&turns), ["ELSE", "", "UNSEEN SEEN SAME", ""]);
}
