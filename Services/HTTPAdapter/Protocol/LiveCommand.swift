// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation
import Messaging
import NIOCore

/// What a client of the subprotocol `martlet.v1+json` sends: one message to publish.
///
///     {"id": 7, "subtopic": "hall.3", "content_type": "application/json", "idempotency_key": "…", "payload": {"a": 1}}
///
/// `payload` (JSON, taken as the bytes it stands as) or `payload_base64` is required; the others have the connection's path and content type as default.
struct LiveCommand {
    /// The client's own name for it, JSON text that is repeated in the answer.
    var id: ByteBuffer?
    /// Replaces that of the path; in dotted form or with slashes.
    var subtopic: String?
    var contentType: ContentType?
    var idempotencyKey: IdempotencyKey?
    var payload: ByteBuffer

    /// A string or a number of at most so many bytes.
    static let maximumIDBytes = 128

    /// A command that cannot be taken, with its identifier where that could be read.
    struct Problem: Error {
        var id: ByteBuffer?
        var refusal: Refusal
    }

    init(_ text: ByteBuffer) throws(Problem) {
        let members: [String: ByteBuffer]
        do throws(JSONError) {
            members = try JSONMembers.split(text)
        } catch {
            throw Problem(refusal: Refusal(status: 400, reason: error.reason, error.message))
        }
        if let id = members["id"] {
            let isScalar = id.readableBytesView.first.map { $0 == 0x22 || $0 == 0x2D || (0x30...0x39).contains($0) }
            guard isScalar == true, id.readableBytes <= Self.maximumIDBytes else {
                throw Self.problem(nil, "command-id", "'id' must be a string or a number of at most 128 bytes.")
            }
            self.id = id
        }
        if let text = try Self.string("subtopic", members, id) {
            subtopic = try Self.subtopic(text, id)
        }
        if let text = try Self.string("content_type", members, id) {
            guard let type = ContentType(mediaType: text) else {
                throw Self.problem(id, "content-type-unusable", "'content_type' is not a media type ('type/subtype').")
            }
            contentType = type
        }
        if let text = try Self.string("idempotency_key", members, id) {
            guard let key = IdempotencyKey(value: text) else {
                throw Self.problem(
                    id, "idempotency-key", "'idempotency_key' must be 1 to 255 printable ASCII characters.")
            }
            idempotencyKey = key
        }
        switch (members["payload"], try Self.string("payload_base64", members, id)) {
        case (let json?, nil): payload = json
        case (nil, let text?):
            guard let bytes = Data(base64Encoded: text) else {
                throw Self.problem(id, "command-payload", "'payload_base64' is not base64.")
            }
            payload = ByteBuffer(bytes: bytes)
        default:
            throw Self.problem(id, "command-payload", "One of 'payload' and 'payload_base64' is needed.")
        }
    }

    private static func string(
        _ name: String, _ members: [String: ByteBuffer], _ id: ByteBuffer?
    ) throws(Problem) -> String? {
        guard let text = members[name] else { return nil }
        guard let value = JSONMembers.string(text) else {
            throw problem(id, "command-member", "'\(name)' must be a string.")
        }
        return value
    }

    /// By the rules of paths: it comes out as one would.
    private static func subtopic(_ text: String, _ id: ByteBuffer?) throws(Problem) -> String {
        guard !text.isEmpty else { return "" }
        let allowed = CharacterSet(charactersIn: "/").union(.alphanumerics)
        let path = text.replacing(".", with: "/").addingPercentEncoding(withAllowedCharacters: allowed) ?? ""
        do {
            return try MessagePath.publish("/channels/x/messages/\(path)", notation: .http).subtopic
        } catch {
            throw problem(id, error.reason, error.message)
        }
    }

    private static func problem(_ id: ByteBuffer?, _ reason: String, _ detail: String) -> Problem {
        Problem(id: id, refusal: Refusal(status: 400, reason: reason, detail))
    }
}
