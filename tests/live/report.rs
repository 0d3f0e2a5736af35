//! `report.html` in a browser: Chromium without a window, asked over its debugging protocol.

use std::{
    io::{BufRead, BufReader},
    mem,
    path::Path,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use headless_chrome::{
    Browser, LaunchOptions, Tab,
    protocol::cdp::{
        Emulation::{MediaFeature, SetDeviceMetricsOverride, SetEmulatedMedia},
        Network,
        types::Event,
    },
};
use serde_json::Value;

use crate::run::{Storm, scenario, tokenstorm};

/// What the page says to itself at the end, so that everything before it is known to have been heard.
const END: &str = "the end of the test";

/// What a page did that its author may not want.
#[derive(Debug, Default)]
struct Heard {
    requests: Vec<String>,
    complaints: Vec<String>,
    has_ended: bool,
}

/// A page that is open.
struct Page {
    tab: Arc<Tab>,
    heard: Arc<Mutex<Heard>>,
    // It ends with the page.
    _browser: Browser,
}

impl Page {
    /// Opens a file in a window of this size.
    fn open(file: &Path, width: u32) -> Self {
        Self::at(&format!("file://{}", file.display()), width)
    }

    fn at(url: &str, width: u32) -> Self {
        let options = LaunchOptions::default_builder()
            // Chromium refuses its sandbox to root.
            .sandbox(!rustix::process::geteuid().is_root())
            .build()
            .unwrap();
        let browser = Browser::new(options).expect("scripts/test-live installs Chromium");
        let tab = browser.new_tab().unwrap();
        let heard = Arc::new(Mutex::new(Heard::default()));
        let own = Arc::clone(&heard);
        tab.add_event_listener(Arc::new(move |event: &Event| {
            note(&mut own.lock().unwrap(), event);
        }))
        .unwrap();
        tab.enable_log().unwrap().enable_runtime().unwrap();
        tab.call_method(Network::Enable {
            max_total_buffer_size: None,
            max_resource_buffer_size: None,
            max_post_data_size: None,
            report_direct_socket_traffic: None,
            enable_durable_messages: None,
        })
        .unwrap();
        tab.call_method(size(width)).unwrap();
        tab.navigate_to(url).unwrap().wait_until_navigated().unwrap();
        Self { tab, heard, _browser: browser }
    }

    /// What an expression comes to.
    fn value(&self, expression: &str) -> Value {
        let result = self.tab.evaluate(expression, false).unwrap();
        result.value.unwrap_or_else(|| panic!("{expression} has no value"))
    }

    fn number(&self, expression: &str) -> u64 {
        let value = self.value(expression);
        value.as_u64().unwrap_or_else(|| panic!("{expression}: {value}"))
    }

    /// Goes on once this is so.
    fn wait(&self, condition: &str) {
        let start = Instant::now();
        while self.value(condition) != true {
            let page = || self.value("document.body.innerText.slice(0, 2000)");
            assert!(start.elapsed() < Duration::from_mins(1), "{condition}: {}", page());
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Shows it as somebody has it who wants light or dark pages.
    fn prefer(&self, scheme: &str) {
        let feature =
            MediaFeature { name: "prefers-color-scheme".into(), value: scheme.to_owned() };
        let media = SetEmulatedMedia { media: None, features: Some(vec![feature]) };
        self.tab.call_method(media).unwrap();
    }

    /// Shows it as on paper.
    fn print(&self) {
        let media = SetEmulatedMedia { media: Some("print".into()), features: None };
        self.tab.call_method(media).unwrap();
    }

    /// All that was heard up to now.
    fn heard(&self) -> Heard {
        self.tab.evaluate(&format!("console.debug('{END}')"), false).unwrap();
        let start = Instant::now();
        while !self.heard.lock().unwrap().has_ended {
            assert!(start.elapsed() < Duration::from_secs(30), "the page said nothing");
            thread::yield_now();
        }
        mem::take(&mut self.heard.lock().unwrap())
    }
}

fn note(heard: &mut Heard, event: &Event) {
    match event {
        Event::NetworkRequestWillBeSent(event) => {
            heard.requests.push(event.params.request.url.clone());
        }
        Event::RuntimeConsoleAPICalled(event) => {
            let said = format!("{:?}", event.params.args);
            if said.contains(END) {
                heard.has_ended = true;
            } else {
                heard.complaints.push(said);
            }
        }
        Event::LogEntryAdded(event) => heard.complaints.push(format!("{:?}", event.params.entry)),
        Event::RuntimeExceptionThrown(event) => {
            heard.complaints.push(format!("{:?}", event.params.exception_details));
        }
        _ => {}
    }
}

fn size(width: u32) -> SetDeviceMetricsOverride {
    SetDeviceMetricsOverride {
        width,
        height: 900,
        device_scale_factor: 1.0,
        mobile: false,
        scale: None,
        screen_width: None,
        screen_height: None,
        position_x: None,
        position_y: None,
        dont_set_visible_size: None,
        screen_orientation: None,
        viewport: None,
        display_feature: None,
        device_posture: None,
    }
}

/// Charts without a single spot that says its values.
const MUTE: &str = "[...document.querySelectorAll('svg')].filter(svg => \
                    ![...svg.querySelectorAll('circle > title')].some(title => title.textContent.includes(': '))).length";

/// The texts of what lies beyond the right edge of the window: cells with verdicts, and points of charts.
const BEYOND: &str = "[...document.querySelectorAll('main td, main th, svg circle')].filter(it => \
                      !it.closest('details') && it.getBoundingClientRect().right > window.innerWidth + 1)\
                      .map(it => it.textContent || 'a point').join('; ')";

/// What a sheet of A4 has between its margins.
const PAPER: u32 = 718;

/// Opens a page narrow and wide and as it is printed, and checks what is true of every page.
fn check(file: &Path, charts: u64) {
    for width in [400, 1600] {
        let page = Page::open(file, width);
        assert_eq!(page.number("window.innerWidth"), u64::from(width));
        let wide = page.number("document.documentElement.scrollWidth");
        assert!(wide <= u64::from(width), "the page is {wide} wide in a window of {width}");
        assert!(page.number("document.querySelectorAll('svg').length") >= charts);
        assert_eq!(page.number(MUTE), 0, "charts without values");
        assert_eq!(page.value(BEYOND), "", "cells or points are cut off in a window of {width}");
        let tables = page.number("document.querySelectorAll('figure details table').length");
        assert_eq!(tables, page.number("document.querySelectorAll('figure svg').length"));
        // As many beside each other as there is room for.
        let side_by_side = "new Set([...document.querySelectorAll('.grid figure')].map(figure => \
                            figure.getBoundingClientRect().left)).size";
        assert_eq!(page.number(side_by_side), if width == 400 { 1 } else { 2 });
        let colours = ["light", "dark"].map(|scheme| {
            page.prefer(scheme);
            ["backgroundColor", "color"]
                .map(|what| page.value(&format!("getComputedStyle(document.body).{what}")))
        });
        assert_ne!(colours[0][0], colours[1][0], "one background for light and dark");
        assert_ne!(colours[0][1], colours[1][1], "one colour of letters for light and dark");
        let heard = page.heard();
        assert_eq!(heard.complaints, Vec::<String>::new());
        let requests: Vec<&String> =
            heard.requests.iter().filter(|url| !url.starts_with("data:")).collect();
        assert_eq!(requests, [&format!("file://{}", file.display())]);
    }
    let page = Page::open(file, PAPER);
    page.print();
    let wide = page.number("document.documentElement.scrollWidth");
    assert!(wide <= u64::from(PAPER), "printed, the page is {wide} wide on {PAPER}");
}

#[test]
#[ignore = "needs Chromium: scripts/test-live"]
fn the_page_of_a_run_is_whole_in_a_browser_narrow_and_wide_light_and_dark() {
    let mix = "[[mix]]\ntoken = \"fresh\"\nshare = 4\n[[mix]]\ntoken = \"expired\"\nshare = 1\n";
    let load = "stages = [{ rate = 100, for = \"3s\" }]\nhold = \"1s\"";
    let storm = Storm::new(&scenario("embedded", load, mix));
    let ended = storm.run();
    ended.expect(0);
    check(&ended.out.join("report.html"), 6);
}

/// Whether a chart has letters that end so.
fn has_letters(file: &Path, letters: &str) -> bool {
    let page = Page::open(file, 1600);
    let texts = "[...document.querySelectorAll('svg text')]";
    page.value(&format!("{texts}.some(text => text.textContent.trim() === '{letters}')")) == true
}

#[test]
#[ignore = "needs Chromium: scripts/test-live"]
fn the_pages_of_a_rotation_and_a_sweep_have_their_marks_and_names_on_the_axis() {
    let rotation = Storm::new(
        "name = \"rotation\"\n[target]\nbrokers = [\"embedded\"]\n[target.jwks]\ncache = \"500ms\"\n\
         [load]\nstages = [{ rate = 50, for = \"4s\" }]\nhold = \"1s\"\n\
         [keys.a]\nalgorithm = \"ES256\"\ngenerate = true\nkid = \"a\"\n\
         [keys.b]\nalgorithm = \"EdDSA\"\ngenerate = true\nkid = \"b\"\n[issuer]\nkeys = [\"a\"]\n\
         [[mix]]\ntoken = \"fresh\"\nshare = 1\n\
         [[events]]\nat = \"1s\"\ndo = \"rotate_keys\"\nto = \"b\"\nkeep_old = \"1s\"\n\
         [policy]\nnew_key_within = \"1m\"\nold_key_within = \"1m\"\n",
    );
    let ended = rotation.run();
    ended.expect(0);
    let page = ended.out.join("report.html");
    check(&page, 6);
    assert!(has_letters(&page, "3"), "the third event has its mark");
    let sweep = "[sweep]\nprotocol = [4, 5]\nrest = \"0s\"\n";
    let ended =
        Storm::new(&scenario("embedded", "stages = [{ rate = 50, for = \"2s\" }]", sweep)).run();
    ended.expect(0);
    let page = ended.out.join("report.html");
    check(&page, 4);
    assert!(has_letters(&page, "HS256 v4") && has_letters(&page, "HS256 v5"));
}

#[test]
#[ignore = "needs Chromium: scripts/test-live"]
fn the_page_of_a_matrix_is_whole_in_a_browser_narrow_and_wide_light_and_dark() {
    let folder = tempfile::TempDir::new().unwrap();
    let out = folder.path().join("out");
    let made = tokenstorm(&["matrix", "--out", out.to_str().unwrap(), "--progress", "none"]);
    assert!(made.stdout.contains("report.html"), "{}{}", made.stdout, made.stderr);
    check(&out.join("report.html"), 2);
}

#[test]
#[ignore = "needs Chromium: scripts/test-live"]
fn the_page_of_a_comparison_is_whole_in_a_browser_narrow_and_wide_light_and_dark() {
    let folder = tempfile::TempDir::new().unwrap();
    let out = folder.path().join("out");
    let run = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats/1-2026-11-25");
    let sides = [run.to_str().unwrap(), run.to_str().unwrap()];
    let made = tokenstorm(&["compare", sides[0], sides[1], "--out", out.to_str().unwrap()]);
    assert_eq!(made.code, Some(4), "{}{}", made.stdout, made.stderr);
    check(&out.join("report.html"), 4);
}

#[test]
#[ignore = "needs Chromium: scripts/test-live"]
fn a_page_draws_a_run_while_it_goes_and_becomes_its_report() {
    let mix = "[[mix]]\ntoken = \"fresh\"\nshare = 4\n[[mix]]\ntoken = \"expired\"\nshare = 1\n";
    let load = "stages = [{ rate = 50, for = \"8s\" }]\nhold = \"1s\"";
    let storm = Storm::new(&scenario("embedded", load, mix));
    let mut run = storm.start_and_show_with(&["--web", "127.0.0.1:0"]);
    let mut said = BufReader::new(run.stderr.take().unwrap()).lines().map(Result::unwrap);
    let url = said.find_map(|line| Some(line.strip_prefix("watch the run at ")?.to_owned()));
    let url = url.expect("it says where the page is");
    let page = Page::at(&url, 1600);
    let verdict = "(document.querySelector('.verdict') || document.body).textContent";
    let words = |what: &str| {
        page.wait(&format!("{verdict}.includes('{what}')"));
        page.value(verdict).as_str().unwrap().to_owned()
    };
    words("Under way");
    page.wait("document.querySelectorAll('svg').length > 4");
    page.tab.evaluate("document.querySelector('details').open = true", false).unwrap();
    let standing = "document.querySelector('.live p').textContent";
    let first = page.value(standing);
    page.wait(&format!("document.querySelector('.live') && {standing} != {first}"));
    assert_eq!(page.value("document.querySelector('details').open"), true, "it stays open");
    // It is the report, without another request of the reader.
    page.wait("!document.querySelector('.live')");
    assert!(!words("").contains("Under way"));
    let ended = run.wait().unwrap();
    assert_eq!(ended.code(), Some(0));
    let file = Page::open(&storm.out().join("report.html"), 1600);
    assert_eq!(page.value("document.title"), file.value("document.title"));
    assert_eq!(page.value("document.body.textContent"), file.value("document.body.textContent"));
    let heard = page.heard();
    assert_eq!(heard.complaints, Vec::<String>::new());
    let others: Vec<_> = heard.requests.iter().filter(|own| !own.starts_with("data:")).collect();
    assert!(others.len() > 5 && others.iter().all(|own| **own == url), "{others:?}");
}
