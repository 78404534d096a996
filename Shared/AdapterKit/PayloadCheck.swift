// SPDX-License-Identifier: Apache-2.0
import Core
import Messaging
import NIOCore

/// Refuses at the door what its content type says it is and is not, so that a device learns of it at once and with the reason.
///
/// A value with scratch memory: keep one for each event loop.
public struct PayloadCheck {
    private var senml = SenMLDecoder()

    public init() {}

    /// Checks SenML by RFC 8428 and JSON by RFC 8259; other content types hold whatever they hold.
    ///
    /// - Parameter receivedAt: what relative times count from, nanoseconds since 1970.
    /// - Throws: `malformed`, with the decoder's own reason; the message names the record or the byte.
    public mutating func check(
        _ payload: ByteBuffer, as contentType: ContentType, receivedAt: Int64
    ) throws(ServiceError) {
        let failure = payload.withUnsafeReadableBytes { bytes -> ServiceError? in
            do throws(ServiceError) {
                try check(bytes, as: contentType, receivedAt: receivedAt)
                return nil
            } catch {
                return error
            }
        }
        if let failure { throw failure }
    }

    /// As ``check(_:as:receivedAt:)``, where the payload was received.
    public mutating func check(
        _ payload: UnsafeRawBufferPointer, as contentType: ContentType, receivedAt: Int64
    ) throws(ServiceError) {
        switch contentType {
        case .senmlJSON: try check(payload, .json, receivedAt: receivedAt)
        case .senmlCBOR: try check(payload, .cbor, receivedAt: receivedAt)
        case .json:
            do throws(JSONError) {
                try JSONValidator.validate(payload)
            } catch {
                throw ServiceError(.malformed, reason: error.reason, error.message)
            }
        case .octetStream, .other:
            break
        }
    }

    /// What a payload is of which nobody says what it is: SenML or JSON if it can be read as that, else bytes.
    public mutating func guess(_ payload: UnsafeRawBufferPointer, receivedAt: Int64) -> ContentType {
        guard let first = payload.first, first == UInt8(ascii: "[") || first == UInt8(ascii: "{") else {
            return .octetStream
        }
        if first == UInt8(ascii: "["), (try? check(payload, as: .senmlJSON, receivedAt: receivedAt)) != nil {
            return .senmlJSON
        }
        return (try? check(payload, as: .json, receivedAt: receivedAt)) != nil ? .json : .octetStream
    }

    private mutating func check(
        _ payload: UnsafeRawBufferPointer, _ format: SenMLFormat, receivedAt: Int64
    ) throws(ServiceError) {
        do throws(SenMLError) {
            try senml.validate(payload, format: format, receivedAt: receivedAt)
        } catch {
            throw ServiceError(.malformed, reason: error.reason, error.message)
        }
    }
}
