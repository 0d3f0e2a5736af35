//! Answers of web servers, read within bounds: whoever answers may be anybody.

/// Longest body that is read.
const LONGEST: usize = 1024 * 1024;

/// The body of an answer; nothing where it is longer than 1 MB.
///
/// # Errors
/// When it does not come whole.
pub async fn body(mut response: reqwest::Response) -> reqwest::Result<Option<Vec<u8>>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        body.extend_from_slice(&chunk);
        if body.len() > LONGEST {
            return Ok(None);
        }
    }
    Ok(Some(body))
}

/// A body as text, without the mark that some editors and servers put before it (a byte order mark, which RFC 8259, 8.1,
/// forbids to write and allows to pass over), and without blanks around it.
pub fn text(body: &[u8]) -> String {
    String::from_utf8_lossy(body).trim_start_matches('\u{feff}').trim().to_owned()
}

/// What was wrong with a request, with what is behind it: the library's own text names the URL only.
pub fn why(error: &reqwest::Error) -> String {
    let mut text = if error.is_timeout() { "timeout".to_owned() } else { String::new() };
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&next.to_string());
        cause = next.source();
    }
    if text.is_empty() { error.to_string() } else { text }
}
