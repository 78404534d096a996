// SPDX-License-Identifier: Apache-2.0
import Messaging
import NIOCore

/// In which form a message is handed out.
package enum Representation: Equatable, Sendable {
    case asItIs
    /// SenML, from CBOR into JSON or the other way round.
    case converted(to: SenMLFormat)

    /// - Parameters:
    ///   - contentFormat: what is wanted; nil: whatever it is.
    /// - Returns: nil when the message cannot be had in that form; the number is that of the answer's Content-Format, nil for a type without one.
    package static func of(_ type: ContentType, as contentFormat: UInt16?) -> (
        form: Representation, contentFormat: UInt16?
    )? {
        let own = type.coapContentFormat
        guard let wanted = contentFormat, wanted != own else { return (.asItIs, own) }
        switch (wanted, type) {
        case (Format.senmlJSON, .senmlCBOR), (Format.json, .senmlCBOR): return (.converted(to: .json), wanted)
        case (Format.senmlCBOR, .senmlJSON): return (.converted(to: .cbor), wanted)
        // SenML in JSON is JSON, and everything is bytes.
        case (Format.json, .senmlJSON), (Format.octetStream, _): return (.asItIs, wanted)
        default: return nil
        }
    }

    /// Content-Formats that something could be had in (RFC 7252 section 12.3).
    package static func isKnown(_ contentFormat: UInt16) -> Bool {
        ContentType(coapContentFormat: contentFormat)?.coapContentFormat == contentFormat
    }

    private enum Format {
        static let octetStream: UInt16 = 42
        static let json: UInt16 = 50
        static let senmlJSON: UInt16 = 110
        static let senmlCBOR: UInt16 = 112
    }
}
