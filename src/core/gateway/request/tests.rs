use proptest::prelude::*;

use super::*;
use crate::core::gateway::amount::Money;
use crate::core::gateway::catalog::Prices;

fn model(max_output: Option<u64>) -> Model {
    let prices = Prices { input: Money(1), output: Money(1000), ..Prices::default() };
    Model { name: "m".into(), prices, window: 100_000, max_output }
}

fn code(api: Api, body: &str) -> &'static str {
    read(api, body.as_bytes()).expect_err(body).code
}

fn worst(api: Api, body: &str, max_output: Option<u64>) -> Result<(u64, u64), &'static str> {
    let asked = read(api, body.as_bytes()).expect(body);
    let worst = asked.worst(api, &model(max_output)).map_err(|refusal| refusal.code)?;
    Ok((worst.money.0, worst.tokens))
}

#[test]
fn the_worst_is_bytes_and_the_longest_answer() {
    let body = r#"{"model":"m","max_tokens":50,"messages":[{"role":"user","content":"hello"}]}"#;
    let bytes = body.len() as u64;
    assert_eq!(worst(Api::Messages, body, None), Ok((bytes + 50_000, bytes + 50)));
    let body = r#"{"model":"m","messages":[],"max_tokens":5,"max_completion_tokens":7,"n":3}"#;
    assert_eq!(worst(Api::Chat, body, None), Ok((body.len() as u64 + 21_000, body.len() as u64 + 21)));
    let body = r#"{"model":"m","input":"x","max_output_tokens":null}"#;
    assert_eq!(worst(Api::Responses, body, None), Err("no_output_limit"));
    assert_eq!(worst(Api::Responses, body, Some(9)), Ok((body.len() as u64 + 9_000, body.len() as u64 + 9)));
    let body = r#"{"model":"m","input":["x"],"prompt":1}"#;
    assert_eq!(worst(Api::Embeddings, body, None), Ok((body.len() as u64, body.len() as u64)));
    let body = r#"{"model":"m","max_tokens":1,"tools":[{"name":"f","input_schema":{}}],"messages":[]}"#;
    assert_eq!(worst(Api::Messages, body, None), Ok((body.len() as u64 + 1024 + 1000, body.len() as u64 + 1025)));
    let image = r#"{"model":"m","max_tokens":1,"messages":[{"content":[{"type":"image","source":{"type":"base64","data":"x"}}]}]}"#;
    assert_eq!(worst(Api::Messages, image, None), Ok((101_000, 100_001)));
    let image =
        r#"{"model":"m","max_tokens":1,"messages":[{"content":[{"type":"image_url","image_url":{"url":"data:x"}}]}]}"#;
    assert_eq!(worst(Api::Chat, image, None), Ok((101_000, 100_001)));
}

#[test]
fn what_cannot_be_counted_is_refused() {
    for (api, part) in [
        (Api::Messages, r#""mcp_servers":[{}]"#),
        (Api::Messages, r#""service_tier":"priority""#),
        (Api::Messages, r#""speed":"fast""#),
        (Api::Messages, r#""tools":[{"type":"web_search_20250305","name":"web_search"}]"#),
        (Api::Messages, r#""tools":[{"type":"code_execution_20250522"}]"#),
        (Api::Messages, r#""messages":[{"content":[{"type":"image","source":{"type":"url","url":"https://x"}}]}]"#),
        (Api::Messages, r#""messages":[{"content":[{"type":"document","source":{"type":"file","file_id":"x"}}]}]"#),
        (Api::Chat, r#""messages":[{"content":[{"type":"image_url","image_url":{"url":"https://x"}}]}]"#),
        (Api::Chat, r#""messages":[{"content":[{"type":"file","file":{"file_id":"x"}}]}]"#),
        (Api::Chat, r#""messages":[{"content":[{"type":"input_audio","input_audio":{"data":"x"}}]}]"#),
        (Api::Chat, r#""web_search_options":{}"#),
        (Api::Chat, r#""modalities":["text","audio"]"#),
        (Api::Responses, r#""previous_response_id":"x""#),
        (Api::Responses, r#""conversation":"x""#),
        (Api::Responses, r#""background":true"#),
        (Api::Responses, r#""prompt":{"id":"x"}"#),
        (Api::Responses, r#""tools":[{"type":"web_search"}]"#),
        (Api::Responses, r#""tools":[{"type":"file_search"}]"#),
        (Api::Responses, r#""tools":[{"type":"mcp"}]"#),
        (Api::Responses, r#""tools":[{"type":"namespace","name":"n"}]"#),
        (Api::Responses, r#""tools":[{"type":"namespace","tools":[{"type":"function"},{"type":"web_search"}]}]"#),
        (Api::Responses, r#""tools":[{"type":"namespace","tools":[{"type":"namespace","tools":[]}]}]"#),
        (Api::Responses, r#""input":[{"type":"item_reference","id":"x"}]"#),
        (Api::Responses, r#""input":[{"content":[{"type":"input_image","image_url":"https://x"}]}]"#),
        (Api::Responses, r#""input":[{"content":[{"type":"input_file","file_url":"https://x"}]}]"#),
    ] {
        assert_eq!(code(api, &format!(r#"{{"model":"m","max_tokens":1,{part}}}"#)), "not_countable", "{part}");
    }
}

#[test]
fn what_tools_and_models_made_up_is_not_the_providers_matter() {
    for (api, part) in [
        (
            Api::Messages,
            r#""messages":[{"content":[{"type":"tool_use","input":{"type":"url","file_id":"x","image_url":"y"}}]}]"#,
        ),
        (
            Api::Messages,
            r#""tools":[{"type":"custom","name":"f","input_schema":{"properties":{"file_id":{"type":"url"}}}}]"#,
        ),
        (Api::Messages, r#""tools":[{"type":"bash_20250124","name":"bash"}],"service_tier":"standard_only""#),
        (Api::Chat, r#""tools":[{"type":"function","function":{"name":"f","parameters":{}}}],"service_tier":"auto""#),
        (Api::Responses, r#""tools":[{"type":"namespace","name":"n","tools":[{"type":"function","name":"f"}]}]"#),
        (Api::Responses, r#""background":false,"previous_response_id":null,"tools":[{"type":"local_shell"}]"#),
    ] {
        let body = format!(r#"{{"model":"m","max_tokens":1,{part}}}"#);
        assert!(read(api, body.as_bytes()).is_ok(), "{part}");
    }
}

#[test]
fn what_two_readers_may_understand_differently_is_refused() {
    for body in [
        r#"{"model":"m","max_tokens":1,"max_tokens":100000}"#,
        r#"{"model":"m","max_tokens":1,"Max_Tokens":100000}"#,
        "{\"model\":\"m\",\"max_tokens\":1,\"max_to\u{212a}ens\":100000}",
        "{\"model\":\"m\",\"max_tokens\":1,\"\u{17f}tream\":true}",
        r#"{"model":"m","max_tokens":1} {"model":"dear"}"#,
        "\u{feff}{\"model\":\"m\",\"max_tokens\":1}",
        r#"{"model":"m","max_tokens":1.5}"#,
        r#"{"model":"m","max_tokens":-1}"#,
        r#"{"model":"m","max_tokens":"1"}"#,
        r#"{"model":["m"],"max_tokens":1}"#,
        r#"{"model":"m","max_tokens":1,"n":0}"#,
        r#"{"model":"m","max_tokens":1,"n":100000}"#,
        r#"{"model":"m","max_tokens":1"#,
        r#"{"max_tokens":1}"#,
        r#"[]"#,
        "",
        "hello",
    ] {
        assert_eq!(code(Api::Chat, body), "invalid_request", "{body}");
    }
    let nested = format!(r#"{{"model":"m","max_tokens":1,"messages":{}1{}}}"#, "[".repeat(5000), "]".repeat(5000));
    assert!(read(Api::Chat, nested.as_bytes()).expect_err("too deep").message.contains("nested too deeply"));
    assert!(read(Api::Chat, b"{\"model\":\"\xff\"}").is_err());
}

#[test]
fn no_message_repeats_what_was_said() {
    let secret = "sk-SECRET-in-a-prompt";
    for body in
        [format!("{{\"messages\": {secret}"), format!("{{\"model\":1,\"messages\":[\"{secret}\" 5]}}"), secret.into()]
    {
        let refusal = read(Api::Chat, body.as_bytes()).expect_err("it is wrong");
        assert!(!refusal.message.contains("SECRET"), "{}", refusal.message);
    }
}

#[test]
fn a_stream_of_the_chat_api_is_asked_for_its_usage() {
    let put = |body: &str| {
        let asked = read(Api::Chat, body.as_bytes()).expect(body);
        let mut text = body.to_owned();
        asked.usage.map(|(place, put)| {
            text.replace_range(place, &put);
            text
        })
    };
    assert_eq!(
        put("{\"model\":\"m\",\"stream\":true}\n").as_deref(),
        Some("{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_usage\":true}}\n")
    );
    assert_eq!(
        put(r#"{"stream_options" : {"a":1,"include_usage":false} ,"model":"m","stream":true}"#).as_deref(),
        Some(r#"{"stream_options" : {"a":1,"include_usage":true} ,"model":"m","stream":true}"#)
    );
    assert_eq!(
        put(r#"{"stream_options":null,"model":"m","stream":true}"#).as_deref(),
        Some(r#"{"stream_options":{"include_usage":true},"model":"m","stream":true}"#)
    );
    assert_eq!(put(r#"{"stream_options":{"include_usage":true},"model":"m","stream":true}"#), None);
    assert_eq!(put(r#"{"model":"m","stream":false}"#), None);
    assert_eq!(read(Api::Messages, b"{\"model\":\"m\",\"stream\":true}").expect("it is right").usage, None);
}

proptest! {
    #[test]
    fn no_body_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), words in "[\\[\\]{}:,\"a-z0-9 ]{0,200}") {
        for api in [Api::Messages, Api::Chat, Api::Responses, Api::Embeddings] {
            let _ = (read(api, &bytes), read(api, words.as_bytes()));
        }
    }

    #[test]
    fn what_is_put_in_leaves_json_that_asks_for_usage(model in "[a-z\\\\\"{}]{0,8}", options in "\\PC{0,6}", has in any::<bool>()) {
        let mut object = serde_json::json!({ "model": model, "stream": true, "messages": [options] });
        if has {
            object["stream_options"] = serde_json::json!({ (options): model });
        }
        let mut text = object.to_string();
        let asked = read(Api::Chat, text.as_bytes());
        if let Ok(Asked { usage: Some((place, put)), .. }) = asked {
            text.replace_range(place, &put);
            let read: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
            prop_assert_eq!(&read["stream_options"]["include_usage"], &serde_json::json!(true));
            prop_assert_eq!(&read["messages"], &object["messages"]);
        }
    }
}
