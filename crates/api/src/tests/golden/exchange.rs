//! Golden exchanges as they stand in a file, and what all that play them have to know: the tests of this crate, which play them within their
//! process, and those of the binary.

/// The operator's key, by which exchanges are sent.
pub(crate) const ROOT: &str = "bootstrap-secret";

/// Headers of answers that are shown, in this order. Others tell of the moment, as what is left of a limit does, or are the transport's.
const SHOWN: [&str; 8] = [
    "content-type",
    "location",
    "x-location",
    "allow",
    "retry-after",
    "www-authenticate",
    "content-disposition",
    "cache-control",
];

/// A request, and what is frozen of its answer.
pub(crate) struct Exchange<'a> {
    /// What is done and why, one line after the other, with their `#`.
    pub(crate) comments: Vec<&'a str>,
    /// Headers, and `once`, one line after the other, with their `>`.
    pub(crate) headers: Vec<&'a str>,
    /// Method, path and body as they stand.
    pub(crate) request: String,
    /// Status, headers and body as they stand; nothing in a file whose answers are not yet written.
    pub(crate) answer: &'a str,
}

impl<'a> Exchange<'a> {
    /// All of a file, in their order.
    pub(crate) fn all(frozen: &'a str) -> Vec<Self> {
        frozen.split("\n\n").filter(|block| !block.trim().is_empty()).map(Self::read).collect()
    }

    fn read(block: &'a str) -> Self {
        let (asked, answer) = block.trim().split_once("\n=> ").unwrap_or((block.trim(), ""));
        let (comments, request): (Vec<_>, Vec<_>) = asked.lines().partition(|line| line.starts_with('#'));
        let (headers, request): (Vec<_>, Vec<_>) = request.into_iter().partition(|line| line.starts_with("> "));
        Self { comments, headers, request: request.join("\n"), answer }
    }

    /// All but the answer, as it stands.
    pub(crate) fn told(&self) -> String {
        let lines = self.comments.iter().chain(&self.headers);
        lines.map(|line| format!("{line}\n")).collect::<String>() + &self.request
    }

    /// The method, the path and the body, which is empty where there is none.
    pub(crate) fn parts(&self) -> [&str; 3] {
        let mut words = self.request.splitn(3, ' ');
        let [method, path] = [words.next(), words.next()].map(|word| word.expect("METHOD /path"));
        [method, path, words.next().unwrap_or_default()]
    }

    /// Whether all jobs are to end before it.
    pub(crate) fn waits_for_jobs(&self) -> bool {
        self.lines().any(|(name, _)| name == "once")
    }

    /// The headers that it is sent with, in place of those that its door has.
    pub(crate) fn own_headers(&self) -> Vec<(&'a str, &'a str)> {
        self.lines().filter(|(name, _)| *name != "once").collect()
    }

    fn lines(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let lines = self.headers.iter();
        lines.map(|line| line.trim_start_matches("> ").split_once(": ").expect("a header"))
    }
}

/// The headers that each exchange of a file is sent with, unless it has its own. Its door is the folder that the one of exchanges is in.
pub(crate) fn headers_of(file: &str) -> &'static [(&'static str, &'static str)] {
    const BEARER: (&str, &str) = ("authorization", "Bearer bootstrap-secret");
    match file.rsplit('/').nth(2).expect("a door, golden, a name") {
        "adobe" => &[
            BEARER,
            ("x-api-key", "any"),
            ("x-gw-ims-org-id", "default@AdobeOrg"),
            ("x-sandbox-name", "prod"),
            ("content-type", "application/json"),
        ],
        "optimizely" => &[("authorization", "epi-single bootstrap-secret")],
        _ => &[BEARER, ("x-access-token", ROOT)],
    }
}

/// The lines that show headers of an answer, of which this tells the values. That a body is JSON is not said.
pub(crate) fn shown_headers(value: impl Fn(&str) -> Option<String>) -> String {
    let usual = [("content-type", "application/json")];
    let shown = SHOWN.into_iter().filter_map(|name| Some((name, value(name)?)));
    let shown = shown.filter(|(name, value)| !usual.contains(&(name, value)));
    shown.map(|(name, value)| format!("\n< {name}: {value}")).collect()
}

/// What requests of a file say: an id that stands in one of them was chosen, and not drawn.
pub(crate) fn chosen(exchanges: &[Exchange<'_>]) -> String {
    exchanges.iter().flat_map(|own| own.headers.iter().copied().chain([own.request.as_str()])).collect()
}

/// The text, with ids in place of their names.
pub(crate) fn named(text: &str, ids: &[String]) -> String {
    let names = ids.iter().enumerate();
    let named = names.fold(text.to_owned(), |text, (at, id)| text.replace(&format!("<id{}>", at + 1), id));
    // Otherwise what is asked is of nobody, and the answer that it is not there would be frozen.
    assert!(!named.contains("<id"), "it names an id that has not come up: {text}");
    named
}
