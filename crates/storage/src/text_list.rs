//! A list of strings in one text column, as a JSON array: for lists that are
//! only ever read and written whole.

use crate::Error;

pub(crate) fn encode(list: &[String]) -> String {
    serde_json::Value::from(list).to_string()
}

pub(crate) fn decode(text: &str) -> Result<Vec<String>, Error> {
    serde_json::from_str(text).map_err(|_| Error::Corrupt("a list is not a JSON array of strings".into()))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_list_comes_back_as_it_went_in() {
        let list = vec!["a \"friend\"".to_owned(), String::new(), "鳥".to_owned()];
        assert_eq!(super::decode(&super::encode(&list)).unwrap(), list);
        assert!(super::decode("{}").unwrap_err().is_corrupt());
    }
}
