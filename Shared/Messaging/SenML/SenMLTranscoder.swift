// SPDX-License-Identifier: Apache-2.0
import Core
import NIOCore

/// Writes a SenML pack (RFC 8428) in another representation, record by record as it is: nothing is resolved, so base fields, relative times and the
/// order of records stay what the sender wrote.
///
/// - A pack is checked by the decoder's rules and limits first (``SenMLDecoder``) and refused as a whole.
/// - Numbers stay the same numbers. A decimal becomes an integer, else a float whose shortest decimal it is (what the decoder takes a float for, and
///   how RFC 8428's own example has 120.1), else a decimal fraction (tag 4). What has a mantissa of more than 64 bits, which section 6 has no form for,
///   becomes what the decoder makes of it: the nearest double, for times the nanosecond.
/// - Labels that are not known stay, with their values, where both forms can carry them. Left out with their values are: integer labels beyond table 4,
///   which have no name in JSON, and values with something that JSON has no form for (byte strings, keys that are not text, undefined and other simple
///   values, tags but decimal fractions, NaN and infinity).
/// - What has several spellings in one representation (escapes, white space, `1e1`, tags that hint at base64, indefinite lengths) gets the shortest.
public struct SenMLTranscoder: Sendable {
    private var decoder = SenMLDecoder()
    /// Kept for its memory.
    private var output: [UInt8] = []

    public init() {}

    /// Appends the pack in the representation `to`; one that is in it already is appended byte for byte.
    ///
    /// - Throws: ``SenMLError``, with record and offset in `payload`; `buffer` is then as it was.
    public mutating func convert(
        _ payload: UnsafeRawBufferPointer, from: SenMLFormat, to: SenMLFormat, into buffer: inout ByteBuffer
    ) throws(SenMLError) {
        // No time can be out of range from 1970 on that is in range from any other moment (section 4.5.3).
        try decoder.validate(payload, format: from, receivedAt: 0)
        output.removeAll(keepingCapacity: true)
        switch (from, to) {
        case (.json, .cbor):
            var pack = SenMLPackInJSON(payload)
            try pack.writeCBOR(to: &output)
        case (.cbor, .json):
            var pack = SenMLPackInCBOR(payload)
            try pack.writeJSON(to: &output)
        case (.json, .json), (.cbor, .cbor):
            buffer.writeBytes(payload)
            return
        }
        buffer.writeBytes(output)
    }
}
