// SPDX-License-Identifier: Apache-2.0
import Core
import NIOCore

/// The members of a JSON object as the bytes that they stand as, so that a value can be passed on unchanged.
public enum JSONMembers {
    /// Splits an object, which is checked strictly by RFC 8259 on the way; values are slices of `text` without white space around them.
    ///
    /// Of a name that occurs twice the last one counts. Text that is no object is an unexpected byte.
    public static func split(_ text: ByteBuffer, depth: Int = Limits.jsonDepth) throws(JSONError) -> [String:
        ByteBuffer]
    {
        let result = text.withUnsafeReadableBytes { bytes -> Result<[String: Range<Int>], JSONError> in
            do throws(JSONError) { return .success(try ranges(bytes, depth: depth)) } catch { return .failure(error) }
        }
        var members: [String: ByteBuffer] = [:]
        for (name, range) in try result.get() {
            members[name] = text.getSlice(at: text.readerIndex + range.lowerBound, length: range.count)
        }
        return members
    }

    /// The characters that a value stands for; nil unless it is a string.
    public static func string(_ value: ByteBuffer) -> String? {
        value.withUnsafeReadableBytes { bytes in
            var cursor = JSONCursor(bytes)
            guard let text = try? cursor.scanString(), cursor.isAtEnd else { return nil }
            return string(text, in: bytes)
        }
    }

    private static func ranges(
        _ bytes: UnsafeRawBufferPointer, depth: Int
    ) throws(JSONError) -> [String: Range<Int>] {
        var cursor = JSONCursor(bytes)
        cursor.skipWhiteSpace()
        try cursor.expect(UInt8(ascii: "{"))
        cursor.skipWhiteSpace()
        var members: [String: Range<Int>] = [:]
        if !cursor.take(UInt8(ascii: "}")) {
            repeat {
                cursor.skipWhiteSpace()
                let name = string(try cursor.scanKey(), in: bytes)
                let start = cursor.offset
                try cursor.skipValue(depth: depth - 1)
                members[name] = start..<cursor.offset
                cursor.skipWhiteSpace()
            } while cursor.take(UInt8(ascii: ","))
            try cursor.expect(UInt8(ascii: "}"))
        }
        cursor.skipWhiteSpace()
        guard cursor.isAtEnd else { throw JSONError(.trailingContent, offset: cursor.offset) }
        return members
    }

    private static func string(_ text: JSONCursor.Text, in bytes: UnsafeRawBufferPointer) -> String {
        let content = UnsafeRawBufferPointer(rebasing: bytes[text.offset..<(text.offset + text.length)])
        guard text.hasEscapes else { return String(decoding: content, as: UTF8.self) }
        var characters: [UInt8] = []
        JSONText.unescape(content, into: &characters)
        return String(decoding: characters, as: UTF8.self)
    }
}
