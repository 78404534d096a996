// SPDX-License-Identifier: Apache-2.0
import AdapterKit
import Core
import Messaging

/// What a request names, and with which key.
package struct RequestTarget: Sendable, Equatable {
    package enum Resource: Sendable, Equatable {
        /// `/.well-known/core` (RFC 6690 section 4).
        case wellKnownCore
        /// For a GET a filter, which may have wildcards.
        case messages(MessagePath)
        /// `things/<id>/…`
        case thing(ThingPath)
    }

    package let resource: Resource
    /// `?auth=<key>`, as in Mainflux; never logged, and not repeated in an answer.
    package let key: String?

    /// - Parameter isFilter: whether wildcards may be in the subtopic.
    package init(_ options: CoAPOptions, isFilter: Bool) throws(Refusal) {
        if options.path.count == 2, options.path[0].elementsEqual(".well-known".utf8),
            options.path[1].elementsEqual("core".utf8)
        {
            resource = .wellKnownCore
            key = nil
            return
        }
        key = try Self.key(options.query)
        do throws(PathError) {
            switch try Self.devicePath(Self.text(options.path), isFilter: isFilter) {
            case .messages(let path): resource = .messages(path)
            case .thing(let path): resource = .thing(path)
            }
        } catch {
            throw Refusal(error)
        }
    }

    private static func devicePath(_ path: [UInt8], isFilter: Bool) throws(PathError) -> DevicePath {
        let result = path.withUnsafeBytes { bytes -> Result<DevicePath, PathError> in
            do throws(PathError) {
                return .success(
                    isFilter
                        ? try DevicePath.subscribe(bytes, notation: .coap)
                        : try DevicePath.publish(bytes, notation: .coap))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    /// The segments as a path in which a slash or percent sign of a segment stands percent-encoded (RFC 7252 section 6.5).
    private static func text(_ segments: [[UInt8]]) -> [UInt8] {
        var text: [UInt8] = []
        for segment in segments {
            text.append(UInt8(ascii: "/"))
            for byte in segment {
                switch byte {
                case UInt8(ascii: "%"): text.append(contentsOf: "%25".utf8)
                case UInt8(ascii: "/"): text.append(contentsOf: "%2F".utf8)
                default: text.append(byte)
                }
            }
        }
        return text
    }

    private static func key(_ query: [[UInt8]]) throws(Refusal) -> String? {
        var key: String?
        for argument in query where argument.starts(with: "auth=".utf8) {
            guard key == nil else {
                throw Refusal(.badRequest, reason: "query-repeated", "The query's auth may stand only once.")
            }
            guard let text = String(validating: argument.dropFirst(5), as: UTF8.self) else {
                throw Refusal(.badRequest, reason: "query-encoding", "The query's auth is not UTF-8.")
            }
            key = text
        }
        return key.flatMap { $0.isEmpty ? nil : $0 }
    }
}
