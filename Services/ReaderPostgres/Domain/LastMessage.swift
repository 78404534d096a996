// SPDX-License-Identifier: Apache-2.0
import Core
import Messaging
import NIOCore

/// The message that was stored last of those to a channel and subtopic, as one payload.
struct LastMessage: Sendable, Equatable {
    var sequence: Int64
    /// When it was received, nanoseconds since 1970.
    var created: Int64
    var contentType: String
    var payload: ByteBuffer
}

extension LastMessage {
    /// The stored records of a pack as one resolved pack in JSON (RFC 8428 section 4.6). Left out are times before 1978-07-04, which SenML cannot
    /// tell from relative ones.
    ///
    /// - Parameter records: in chronological order.
    /// - Returns: nil where no record is left.
    /// - Throws: `unprocessable` (`last-message-too-large`) when names that were given once for all records make the pack larger than a message may be.
    init?(sequence: Int64, created: Int64, records: [StoredMessage]) throws(ServiceError) {
        let measurements = records.compactMap(SenMLMeasurement.init).filter {
            $0.time >= SenMLDecoder.absoluteTimeThreshold
        }
        guard !measurements.isEmpty else { return nil }
        var payload = ByteBuffer()
        do throws(SenMLError) {
            try SenMLEncoder.encode(measurements, format: .json, into: &payload)
        } catch {
            throw ServiceError(
                .internalFailure, reason: "internal", "something went wrong on our side",
                detail: "stored records that are no pack: \(error.message)")
        }
        guard payload.readableBytes <= Limits.payloadBytes else {
            throw ServiceError(
                .unprocessable, reason: "last-message-too-large",
                "the last message, its records resolved, has more than \(Limits.payloadBytes) bytes")
        }
        self.init(
            sequence: sequence, created: created, contentType: ContentType.senmlJSON.mediaType, payload: payload)
    }
}
