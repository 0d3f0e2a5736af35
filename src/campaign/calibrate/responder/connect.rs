//! What a responder reads of a CONNECT.

/// A CONNECT (MQTT 3.1.1 and 5.0, 3.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Connect<'a> {
    /// Its protocol level: 3, 4 or 5.
    pub(super) level: u8,
    pub(super) client_id: &'a [u8],
    pub(super) password: Option<&'a [u8]>,
}

impl<'a> Connect<'a> {
    /// Reads a whole packet; `None` where it is none that a client of ours sends.
    pub(super) fn read(packet: &'a [u8]) -> Option<Self> {
        let mut rest = Fields(packet.get(1..)?);
        rest.number()?;
        rest.field()?;
        let [level, flags, _, _] = *rest.take(4)? else { return None };
        if level == 5 {
            let length = rest.number()?;
            rest.take(length)?;
        }
        let client_id = rest.field()?;
        let has_will = flags & 0x04 != 0;
        if has_will {
            return None;
        }
        if flags & 0x80 != 0 {
            rest.field()?;
        }
        let password = if flags & 0x40 == 0 { None } else { Some(rest.field()?) };
        Some(Self { level, client_id, password })
    }
}

/// The fields of a packet that are not read yet.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    /// A field with its length before it (1.5.4, 1.5.6).
    fn field(&mut self) -> Option<&'a [u8]> {
        let length = self.take(2)?;
        self.take(usize::from(u16::from_be_bytes([length[0], length[1]])))
    }

    /// A Variable Byte Integer (1.5.5).
    fn number(&mut self) -> Option<usize> {
        let mut number = 0;
        for shift in [0, 7, 14, 21] {
            let byte = self.take(1)?[0];
            number |= usize::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_and_password_are_read_of_each_version_and_nothing_of_what_is_cut_off() {
        for (packet, level, password) in [
            (&b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01a"[..], 4, None),
            (
                b"\x10\x14\x00\x04MQTT\x04\xC2\x00\x3c\x00\x01a\x00\x01u\x00\x02pw",
                4,
                Some(&b"pw"[..]),
            ),
            (b"\x10\x13\x00\x04MQTT\x05\x42\x00\x3c\x01\x00\x00\x01a\x00\x02pw", 5, Some(b"pw")),
        ] {
            let read = Connect::read(packet);
            assert_eq!(read, Some(Connect { level, client_id: b"a", password }), "{packet:?}");
            for end in 0..packet.len() {
                assert_eq!(Connect::read(&packet[..end]), None, "{end} of {packet:?}");
            }
        }
    }
}
