//! Colours of lines.

use plotters::style::RGBColor;

/// Colours that are told apart by people who see few (after Okabe and Ito, 2008). The style sheet knows them by their
/// numbers, and has others for a dark page.
pub(super) const COLOURS: [RGBColor; 8] = [
    RGBColor(0x00, 0x72, 0xB2),
    RGBColor(0xD5, 0x5E, 0x00),
    RGBColor(0x00, 0x9E, 0x73),
    RGBColor(0xCC, 0x5C, 0x9C),
    RGBColor(0x3B, 0x9F, 0xDC),
    RGBColor(0xC9, 0x8A, 0x00),
    RGBColor(0x7A, 0x5C, 0xC0),
    RGBColor(0x6B, 0x72, 0x7C),
];
/// How many colours there are.
pub(super) const COLOURS_COUNT: usize = COLOURS.len();
