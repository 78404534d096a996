// SPDX-License-Identifier: Apache-2.0
import Core

/// A channel or a domain as a path names it: by identifier, or by a route that people choose.
public enum EntityReference<Kind>: Hashable, Sendable {
    case identifier(Identifier<Kind>)
    /// `A-Z a-z 0-9 - _`, 1 to ``EntityReference/maximumRouteBytes`` bytes, not of an identifier's form.
    case route(String)

    public static var maximumRouteBytes: Int { 128 }

    /// Reads a path element; identifiers in either case.
    /// - Returns: nil when it has another character, is empty or too long.
    public init?(utf8 bytes: UnsafeRawBufferPointer) {
        if let identifier = Identifier<Kind>(utf8: bytes) {
            self = .identifier(identifier)
            return
        }
        guard !bytes.isEmpty, bytes.count <= Self.maximumRouteBytes else { return nil }
        for byte in bytes {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
                continue
            default: return nil
            }
        }
        self = .route(String(decoding: bytes, as: UTF8.self))
    }

    public init?(_ text: String) {
        var text = text
        guard let reference = text.withUTF8({ EntityReference(utf8: UnsafeRawBufferPointer($0)) }) else { return nil }
        self = reference
    }

    /// As ``ThingsContract`` messages carry it: identifiers in canonical lower-case form.
    public var text: String {
        switch self {
        case .identifier(let identifier): identifier.description
        case .route(let route): route
        }
    }
}

public typealias ChannelReference = EntityReference<Entity.Channel>
public typealias DomainReference = EntityReference<Entity.Domain>
