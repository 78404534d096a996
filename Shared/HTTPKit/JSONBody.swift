// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation
import Hummingbird
import NIOCore

/// JSON in and out of the management APIs.
public enum JSONBody {
    /// Reads a request's body.
    ///
    /// - Throws: `unsupportedMediaType` unless the content type is `application/json`, `payloadTooLarge`, or `malformed` saying where and what.
    public static func decode<Body: Decodable>(
        _ type: Body.Type, from request: Request, upTo limit: Int = HTTPLimits.bodyBytes
    ) async throws -> Body {
        let mediaType = request.headers[.contentType].map { $0.split(separator: ";").first ?? "" }
        guard let mediaType, mediaType.trimmingCharacters(in: .whitespaces).lowercased() == "application/json" else {
            throw ServiceError(
                .unsupportedMediaType, reason: "not-json", "the body's Content-Type must be application/json")
        }
        let buffer: ByteBuffer
        do {
            buffer = try await request.body.collect(upTo: limit)
        } catch is NIOTooManyBytesError {
            throw ServiceError(.payloadTooLarge, reason: "body-too-large", "the body is larger than \(limit) bytes")
        }
        return try decode(type, from: Array(buffer.readableBytesView))
    }

    /// As ``decode(_:from:upTo:)``; nil when there is no body.
    public static func decodeIfPresent<Body: Decodable>(_ type: Body.Type, from request: Request) async throws -> Body?
    {
        let isChunked = request.headers[.transferEncoding] != nil
        guard isChunked || (request.headers[.contentLength].flatMap(Int.init) ?? 0) > 0 else { return nil }
        return try await decode(type, from: request)
    }

    /// Reads JSON text with the limits that all input is held to.
    public static func decode<Body: Decodable>(_ type: Body.Type, from bytes: [UInt8]) throws(ServiceError) -> Body {
        guard !bytes.isEmpty else {
            throw ServiceError(.malformed, reason: "empty-body", "the body is empty; JSON is needed")
        }
        try check(bytes)
        do {
            return try JSONDecoder().decode(type, from: Data(bytes))
        } catch let error as DecodingError {
            throw refusal(error)
        } catch {
            throw ServiceError(.malformed, reason: "malformed-json", "the body is not valid JSON")
        }
    }

    /// Writes a response.
    public static func response(
        _ body: some Encodable, status: HTTPResponse.Status = .ok, headers: HTTPFields = [:]
    ) throws -> Response {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.withoutEscapingSlashes]
        let data = try encoder.encode(body)
        var headers = headers
        headers[.contentType] = "application/json"
        return Response(status: status, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: data)))
    }

    /// 201 with `Location`.
    public static func created(_ body: some Encodable, location: String) throws -> Response {
        try response(body, status: .created, headers: [.location: location])
    }

    /// Refuses what is nested too deeply for a recursive decoder, and the one character that PostgreSQL's text cannot hold.
    static func check(_ bytes: [UInt8]) throws(ServiceError) {
        var depth = 0
        var isInString = false
        var index = 0
        while index < bytes.count {
            let byte = bytes[index]
            if isInString {
                if byte == UInt8(ascii: "\\") {
                    if isNulEscape(bytes, at: index) {
                        throw ServiceError(
                            .malformed, reason: "nul-character",
                            "the body holds a NUL character (\\u0000), which cannot be stored")
                    }
                    index += 1
                } else if byte == UInt8(ascii: "\"") {
                    isInString = false
                }
            } else {
                switch byte {
                case UInt8(ascii: "\""): isInString = true
                case UInt8(ascii: "{"), UInt8(ascii: "["):
                    depth += 1
                    if depth > Limits.jsonDepth {
                        throw ServiceError(
                            .malformed, reason: "json-too-deep",
                            "the body is nested deeper than \(Limits.jsonDepth) levels")
                    }
                case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
                default: break
                }
            }
            index += 1
        }
    }

    private static func isNulEscape(_ bytes: [UInt8], at index: Int) -> Bool {
        guard index + 6 <= bytes.count, bytes[index + 1] == UInt8(ascii: "u") else { return false }
        return bytes[(index + 2)..<(index + 6)].allSatisfy { $0 == UInt8(ascii: "0") }
    }

    /// What a decoder complains about, in the client's terms.
    static func refusal(_ error: DecodingError) -> ServiceError {
        switch error {
        case .keyNotFound(let key, let context):
            return ServiceError(.malformed, reason: "missing-field", "'\(path(context.codingPath + [key]))' is missing")
        case .valueNotFound(_, let context):
            return ServiceError(.malformed, reason: "missing-field", "'\(path(context.codingPath))' must not be null")
        case .typeMismatch(let type, let context):
            return ServiceError(
                .malformed, reason: "wrong-type", "'\(path(context.codingPath))' must be \(name(of: type))")
        case .dataCorrupted(let context) where !context.codingPath.isEmpty:
            return ServiceError(
                .malformed, reason: "invalid-value", "'\(path(context.codingPath))': \(context.debugDescription)")
        case .dataCorrupted:
            return ServiceError(.malformed, reason: "malformed-json", "the body is not valid JSON")
        @unknown default:
            return ServiceError(.malformed, reason: "malformed-json", "the body cannot be understood")
        }
    }

    private static func path(_ keys: [any CodingKey]) -> String {
        let text = keys.reduce("") { text, key in
            if let index = key.intValue { return "\(text)[\(index)]" }
            return text.isEmpty ? key.stringValue : "\(text).\(key.stringValue)"
        }
        return text.isEmpty ? "the body" : String(text.prefix(200))
    }

    private static func name(of type: Any.Type) -> String {
        switch type {
        case is String.Type: "a string"
        case is Bool.Type: "true or false"
        case is any BinaryInteger.Type: "an integer"
        case is any BinaryFloatingPoint.Type: "a number"
        case is [Any].Type: "an array"
        case is [String: Any].Type: "an object"
        default: "of another type"
        }
    }
}
