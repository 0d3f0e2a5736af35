use super::*;

fn holds<W: Word + std::fmt::Debug + serde::Serialize + serde::de::DeserializeOwned>() {
    for (place, word) in W::WORDS.iter().enumerate() {
        assert_eq!(word.index(), place);
        assert_eq!(W::named(word.name()), Some(*word), "two words have one name");
        let text = serde_json::to_string(word).unwrap();
        assert_eq!(text, format!("\"{}\"", word.name()));
        assert_eq!(serde_json::from_str::<W>(&text).unwrap(), *word);
        let bytes = postcard::to_allocvec(word).unwrap();
        assert_eq!(bytes, [place as u8]);
        assert_eq!(postcard::from_bytes::<W>(&bytes).unwrap(), *word);
    }
    let error = serde_json::from_str::<W>("\"conack\"").unwrap_err().to_string();
    assert!(error.contains(W::WHAT) && error.contains(W::WORDS[0].name()), "{error}");
    assert!(postcard::from_bytes::<W>(&[W::WORDS.len() as u8]).is_err());
}

#[test]
fn every_word_is_read_back_by_its_name_and_on_the_bus_by_its_place() {
    holds::<Phase>();
    holds::<OutcomeKind>();
    holds::<Verdict>();
    holds::<Expected>();
    holds::<Severity>();
    holds::<Validity>();
    holds::<LimitedBy>();
    holds::<Metric>();
}
