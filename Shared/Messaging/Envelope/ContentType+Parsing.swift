// SPDX-License-Identifier: Apache-2.0

extension ContentType {
    /// The longest media type that is accepted, parameters not counted: 127 for the type, 127 for the subtype (RFC 6838 section 4.2), a slash.
    public static let maximumMediaTypeBytes = 255

    /// Reads the value of a `Content-Type` header, of MQTT 5's Content Type property and the like (RFC 9110 section 8.3.1).
    ///
    /// Parameters are dropped, letters of the ASCII alphabet become lower case, white space around is ignored. Allocates only for a type
    /// that is not among the known ones.
    /// - Returns: nil unless it is `type/subtype`, both tokens (RFC 9110 section 5.6.2), at most ``maximumMediaTypeBytes`` long.
    public init?(mediaType bytes: UnsafeRawBufferPointer) {
        var start = 0
        while start < bytes.count, Self.isWhiteSpace(bytes[start]) { start += 1 }
        var end = start
        while end < bytes.count, bytes[end] != UInt8(ascii: ";") { end += 1 }
        while end > start, Self.isWhiteSpace(bytes[end - 1]) { end -= 1 }
        let name = UnsafeRawBufferPointer(rebasing: bytes[start..<end])
        guard name.count <= Self.maximumMediaTypeBytes else { return nil }

        switch name.count {
        case 16 where Self.equals(name, "application/json"): self = .json
        case 22 where Self.equals(name, "application/senml+json"): self = .senmlJSON
        case 22 where Self.equals(name, "application/senml+cbor"): self = .senmlCBOR
        case 24 where Self.equals(name, "application/octet-stream"): self = .octetStream
        default:
            guard let slash = name.firstIndex(of: UInt8(ascii: "/")), slash > 0, slash + 1 < name.count,
                name[..<slash].allSatisfy(Self.isToken), name[(slash + 1)...].allSatisfy(Self.isToken)
            else { return nil }
            self = .other(String(decoding: name.lazy.map(Self.lowerCase), as: UTF8.self))
        }
    }

    public init?(mediaType text: String) {
        var text = text
        guard let type = text.withUTF8({ ContentType(mediaType: UnsafeRawBufferPointer($0)) }) else { return nil }
        self = type
    }

    /// CoAP Content-Formats (RFC 7252 section 12.3, RFC 8428 section 12.3); nil for a number that has no type here.
    public init?(coapContentFormat number: UInt16) {
        switch number {
        case 42: self = .octetStream
        case 50: self = .json
        case 110: self = .senmlJSON
        case 112: self = .senmlCBOR
        case 0: self = .other("text/plain")
        case 40: self = .other("application/link-format")
        case 41: self = .other("application/xml")
        case 47: self = .other("application/exi")
        case 60: self = .other("application/cbor")
        case 111: self = .other("application/sensml+json")
        case 113: self = .other("application/sensml+cbor")
        case 114: self = .other("application/senml-exi")
        case 115: self = .other("application/sensml-exi")
        case 310: self = .other("application/senml+xml")
        case 311: self = .other("application/sensml+xml")
        default: return nil
        }
    }

    /// The CoAP Content-Format of the types that have one and are understood here; nil for others.
    public var coapContentFormat: UInt16? {
        switch self {
        case .octetStream: 42
        case .json: 50
        case .senmlJSON: 110
        case .senmlCBOR: 112
        case .other("text/plain"): 0
        case .other("application/cbor"): 60
        case .other: nil
        }
    }

    private static func isWhiteSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

    private static func lowerCase(_ byte: UInt8) -> UInt8 {
        UInt8(ascii: "A")...UInt8(ascii: "Z") ~= byte ? byte | 0x20 : byte
    }

    private static func equals(_ bytes: UnsafeRawBufferPointer, _ name: StaticString) -> Bool {
        guard bytes.count == name.utf8CodeUnitCount else { return false }
        let expected = name.utf8Start
        for offset in 0..<bytes.count where lowerCase(bytes[offset]) != expected[offset] { return false }
        return true
    }

    private static func isToken(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        case UInt8(ascii: "!"), UInt8(ascii: "#"), UInt8(ascii: "$"), UInt8(ascii: "%"), UInt8(ascii: "&"),
            UInt8(ascii: "'"), UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."),
            UInt8(ascii: "^"), UInt8(ascii: "_"), UInt8(ascii: "`"), UInt8(ascii: "|"), UInt8(ascii: "~"):
            true
        default: false
        }
    }
}
