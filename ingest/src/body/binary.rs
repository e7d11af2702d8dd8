//! Binary mode: attributes as `ce-` headers, `data` as the body.

use base64::Engine as _;
use weir_model::limits::ATTRIBUTE_BYTES_MAX;

use crate::json;
use crate::ndjson::is_json;

/// Why headers make no event. The body is judged when the line is decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// A value that is not text once its percent signs are resolved.
    #[error("the header `ce-{0}` is not UTF-8 after percent decoding")]
    NotText(String),
    /// A value too long for an attribute.
    #[error("the header `ce-{0}` is longer than {ATTRIBUTE_BYTES_MAX} bytes")]
    TooLong(String),
    /// A name that no attribute may have: `data` is the body.
    #[error("`ce-{0}` cannot come as a header; the body is the event's data")]
    NotAnAttribute(String),
    /// A body that its content type says is JSON, and that is not.
    #[error("the body is not one JSON value: {0}")]
    NotJson(String),
}

/// Appends the line of an event in binary mode. `attributes` are the headers that begin with `ce-`, without that, in lower case;
/// values are percent-encoded UTF-8.
pub fn binary<'h>(
    attributes: impl Iterator<Item = (&'h str, &'h [u8])>,
    content_type: Option<&str>,
    body: &[u8],
    line: &mut Vec<u8>,
) -> Result<(), HeaderError> {
    line.push(b'{');
    for (name, value) in attributes {
        if matches!(name, "data" | "data_base64" | "datacontenttype") {
            return Err(HeaderError::NotAnAttribute(name.to_owned()));
        }
        let value = percent_decoded(value);
        if value.len() > ATTRIBUTE_BYTES_MAX {
            return Err(HeaderError::TooLong(name.to_owned()));
        }
        let value = String::from_utf8(value).map_err(|_| HeaderError::NotText(name.to_owned()))?;
        member(line, name, &value);
    }
    if let Some(content_type) = content_type {
        member(line, "datacontenttype", content_type);
    }
    if !body.is_empty() {
        // Without a content type, the data is JSON if it can be (CloudEvents HTTP binding 3.1.1 leaves it open).
        let json = one_value(body);
        match (json, content_type) {
            (Ok(data), content_type) if content_type.is_none_or(|content_type| is_json(content_type.as_bytes())) => {
                line.extend_from_slice(b"\"data\":");
                line.extend_from_slice(&data);
            }
            (Err(why), Some(content_type)) if is_json(content_type.as_bytes()) => {
                return Err(HeaderError::NotJson(why));
            }
            _ => {
                line.extend_from_slice(b"\"data_base64\":\"");
                line.extend_from_slice(base64::engine::general_purpose::STANDARD.encode(body).as_bytes());
                line.push(b'"');
            }
        }
    } else if line.last() == Some(&b',') {
        line.pop();
    }
    line.extend_from_slice(b"}\n");
    Ok(())
}

/// `"name":"value",`
fn member(line: &mut Vec<u8>, name: &str, value: &str) {
    for (text, end) in [(name, b':'), (value, b',')] {
        line.extend(crate::rows::json_string(text.as_bytes()));
        line.push(end);
    }
}

/// The body on one line, if it is one JSON value: nothing in it can then end the event that it is put into.
fn one_value(body: &[u8]) -> Result<Vec<u8>, String> {
    let mut data = body.to_vec();
    super::structured(&mut data);
    data.pop();
    json::check(&data).map(|()| data)
}

/// Percent signs before two hexadecimal digits resolved; a value in quotes without them (CloudEvents HTTP binding 3.1.3.2).
fn percent_decoded(value: &[u8]) -> Vec<u8> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut decoded = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((&byte, after)) = rest.split_first() {
        let escaped = match after {
            [high, low, after @ ..] if byte == b'%' => digit(high).zip(digit(low)).map(|pair| (pair, after)),
            _ => None,
        };
        match escaped {
            Some(((high, low), after)) => {
                decoded.push(high << 4 | low);
                rest = after;
            }
            None => {
                decoded.push(byte);
                rest = after;
            }
        }
    }
    decoded
}
