//! The fields that packets are made of (MQTT 5.0, 1.5 and 2.2.2), written and read.

/// Appends bytes after their length, which the caller has checked to fit into two bytes.
pub(super) fn put_field(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(bytes.len() as u16).to_be_bytes());
    out.extend_from_slice(bytes);
}

/// How many bytes a Variable Byte Integer takes (MQTT 5.0, 1.5.5).
pub(super) fn length_bytes(length: usize) -> usize {
    match length {
        0..128 => 1,
        128..16_384 => 2,
        16_384..2_097_152 => 3,
        _ => 4,
    }
}

/// Appends a Variable Byte Integer.
pub(super) fn put_length(mut length: usize, out: &mut Vec<u8>) {
    loop {
        let byte = (length % 128) as u8;
        length /= 128;
        out.push(if length > 0 { byte | 128 } else { byte });
        if length == 0 {
            return;
        }
    }
}

/// How many bytes properties take that are bytes after their length, those that there are.
pub(super) fn properties_bytes(properties: &[(u8, Option<&[u8]>)]) -> usize {
    properties.iter().filter_map(|(_, value)| *value).map(|value| 3 + value.len()).sum()
}

/// Appends them, each by its identifier.
pub(super) fn put_properties(properties: &[(u8, Option<&[u8]>)], out: &mut Vec<u8>) {
    for (id, value) in properties {
        if let Some(value) = value {
            out.push(*id);
            put_field(value, out);
        }
    }
}

/// What follows the length of properties that begin here, as they were written; `None` where nothing does.
pub(super) fn behind_length(properties: &[u8]) -> Option<&[u8]> {
    let digits = properties.iter().take(4).take_while(|digit| **digit & 128 != 0).count() + 1;
    properties.get(digits..)
}

/// What the first bytes of a packet say of its length (MQTT 5.0, 2.1).
pub(in crate::client) enum FixedHeader {
    /// More bytes are needed.
    Incomplete,
    /// Its length is none.
    Malformed,
    /// The fixed header has `head` bytes, and the packet `length`, those included.
    Complete { head: usize, length: usize },
}

impl FixedHeader {
    /// Reads it from the front of a packet.
    pub(in crate::client) fn read(bytes: &[u8]) -> Self {
        let digits = bytes.iter().skip(1).take(4);
        let Some(last) = digits.clone().position(|digit| digit & 128 == 0) else {
            return if bytes.len() < 5 { Self::Incomplete } else { Self::Malformed };
        };
        let digits = digits.take(last + 1).rev();
        let value = digits.fold(0, |value, digit| value << 7 | usize::from(digit & 127));
        Self::Complete { head: last + 2, length: last + 2 + value }
    }
}

/// Reads fields from the front of a packet's body. `None` stands for a field that the body does not hold, or that is
/// malformed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a>(&'a [u8]);

/// A property of a packet (MQTT 5.0, 2.2.2.2), as far as anybody here asks for its value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Property<'a> {
    ReceiveMaximum(u16),
    MaximumQos(u8),
    AssignedClientIdentifier(&'a str),
    ServerKeepAlive(u16),
    AuthenticationMethod(&'a str),
    AuthenticationData(&'a [u8]),
    ReasonString(&'a str),
    /// Any other.
    Other,
}

/// Which properties a packet may have, by their identifiers.
pub(super) type Allowed = &'static [u8];

impl<'a> Fields<'a> {
    /// Those of a packet's body, its fixed header left out.
    pub(super) fn new(body: &'a [u8]) -> Self {
        Self(body)
    }

    /// What is not read yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.0
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (field, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(field)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        Some(self.take(1)?[0])
    }

    pub(super) fn short(&mut self) -> Option<u16> {
        let bytes = self.take(2)?;
        Some(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    /// Bytes after their length in two bytes.
    pub(super) fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.short()?;
        self.take(usize::from(length))
    }

    /// The same, which must be UTF-8.
    pub(super) fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    /// A Variable Byte Integer.
    pub(super) fn length(&mut self) -> Option<usize> {
        let mut length = 0;
        for digit in 0..4 {
            let byte = self.byte()?;
            length |= usize::from(byte & 127) << (7 * digit);
            if byte & 128 == 0 {
                return Some(length);
            }
        }
        None
    }

    /// Passes over the properties, and shows each to `see`. As in `rumqttc`, the last of them may reach beyond the length
    /// that is announced, and not beyond the packet; one that comes twice is seen twice.
    pub(super) fn properties(
        &mut self,
        allowed: Allowed,
        mut see: impl FnMut(Property<'a>),
    ) -> Option<()> {
        let length = self.length()?;
        let before = self.0.len();
        while before - self.0.len() < length {
            let id = self.byte()?;
            if !allowed.contains(&id) {
                return None;
            }
            see(self.property(id)?);
        }
        Some(())
    }

    fn property(&mut self, id: u8) -> Option<Property<'a>> {
        Some(match id {
            0x12 => Property::AssignedClientIdentifier(self.text()?),
            0x13 => Property::ServerKeepAlive(self.short()?),
            0x15 => Property::AuthenticationMethod(self.text()?),
            0x16 => Property::AuthenticationData(self.bytes()?),
            0x1F => Property::ReasonString(self.text()?),
            0x21 => Property::ReceiveMaximum(self.short()?),
            0x24 => Property::MaximumQos(self.byte()?),
            _ => {
                match id {
                    0x02 | 0x11 | 0x27 => drop(self.take(4)?),
                    0x03 | 0x08 | 0x1A | 0x1C => drop(self.text()?),
                    0x09 => drop(self.bytes()?),
                    0x0B => drop(self.length()?),
                    0x22 | 0x23 => drop(self.short()?),
                    0x26 => drop((self.text()?, self.text()?)),
                    0x01 | 0x25 | 0x28 | 0x29 | 0x2A => drop(self.byte()?),
                    _ => return None,
                }
                Property::Other
            }
        })
    }
}
