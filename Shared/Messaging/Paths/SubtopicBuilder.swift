// SPDX-License-Identifier: Apache-2.0
import Core

/// Turns the elements behind the channel into the dotted form, byte by byte, with one allocation at most (the String).
struct SubtopicBuilder {
    struct Dotted {
        var text: String
        var matchesParent: Bool
    }

    private let notation: PathNotation
    private let isFilter: Bool
    private let output: UnsafeMutableRawBufferPointer
    private var count = 0
    private var tokens = 0
    /// Bytes of the element that is being written.
    private var elementLength = 0
    /// The wildcard that the element consists of so far.
    private var wildcard: UInt8?
    private var endsInTail = false
    private var matchesParent = false
    private var isASCII = true

    /// `rest` as ``PathElements`` leaves it: elements behind slashes, still encoded.
    static func dotted(
        _ rest: UnsafeRawBufferPointer, notation: PathNotation, isFilter: Bool
    ) throws(PathError) -> Dotted {
        if rest.isEmpty { return Dotted(text: "", matchesParent: false) }
        // Three encoded bytes for one are the most; slashes beyond count too, so that work stays bounded by the request line's limit.
        let result = withUnsafeTemporaryAllocation(byteCount: Limits.subtopicBytes + 1, alignment: 1) {
            output -> Result<Dotted, PathError> in
            var builder = SubtopicBuilder(notation: notation, isFilter: isFilter, output: output)
            do throws(PathError) {
                return .success(try builder.build(rest))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    private init(notation: PathNotation, isFilter: Bool, output: UnsafeMutableRawBufferPointer) {
        self.notation = notation
        self.isFilter = isFilter
        self.output = output
    }

    private mutating func build(_ rest: UnsafeRawBufferPointer) throws(PathError) -> Dotted {
        var offset = 0
        while offset < rest.count {
            var byte = rest[offset]
            offset += 1
            if byte == UInt8(ascii: "%"), notation != .mqtt {
                guard rest.count - offset >= 2, let high = Self.digit(rest[offset]),
                    let low = Self.digit(rest[offset + 1])
                else { throw .invalidPercentEncoding }
                byte = high << 4 | low
                offset += 2
            }
            if byte == UInt8(ascii: "/") {
                endElement()
            } else {
                try append(byte)
            }
        }
        endElement()
        let bytes = UnsafeRawBufferPointer(rebasing: output[..<count])
        if !isASCII {
            guard UTF8Validation.isValid(bytes) else { throw .invalidUTF8 }
            guard UTF8Validation.isValidText(bytes) else { throw .controlCharacter }
        }
        return Dotted(text: String(decoding: bytes, as: UTF8.self), matchesParent: matchesParent)
    }

    private mutating func endElement() {
        elementLength = 0
        wildcard = nil
    }

    @inline(__always)
    private mutating func append(_ byte: UInt8) throws(PathError) {
        if elementLength == 0 {
            // Nothing may follow `#`.
            guard !endsInTail else { throw .misplacedWildcard }
            guard tokens < Limits.subtopicTokens else { throw .tooDeep }
            tokens += 1
            if count > 0 { try put(UInt8(ascii: ".")) }
        } else if wildcard != nil {
            throw .misplacedWildcard
        }
        elementLength += 1
        switch byte {
        case 0: throw .nul
        case 0x20: throw .space
        case 0x01...0x1F, 0x7F: throw .controlCharacter
        case UInt8(ascii: "."): throw .dot
        case UInt8(ascii: "+"), UInt8(ascii: "#"), UInt8(ascii: "*"), UInt8(ascii: ">"):
            try put(try wildcard(for: byte))
        case 0x80...0xFF:
            isASCII = false
            try put(byte)
        default: try put(byte)
        }
    }

    /// The bus's form of a wildcard that stands at the beginning of an element.
    private mutating func wildcard(for byte: UInt8) throws(PathError) -> UInt8 {
        guard isFilter else { throw .wildcard }
        guard elementLength == 1 else { throw .misplacedWildcard }
        let isBusForm = byte == UInt8(ascii: "*") || byte == UInt8(ascii: ">")
        guard !(isBusForm && notation == .mqtt) else { throw .misplacedWildcard }
        wildcard = byte
        if byte == UInt8(ascii: "+") || byte == UInt8(ascii: "*") { return UInt8(ascii: "*") }
        endsInTail = true
        matchesParent = byte == UInt8(ascii: "#")
        return UInt8(ascii: ">")
    }

    @inline(__always)
    private mutating func put(_ byte: UInt8) throws(PathError) {
        guard count < Limits.subtopicBytes else { throw .tooLong }
        output[count] = byte
        count += 1
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
