// SPDX-License-Identifier: Apache-2.0

/// The elements of a path, empty ones left out, not decoded.
struct PathElements {
    /// What is behind the last element that was taken.
    private(set) var rest: UnsafeRawBufferPointer

    init(_ bytes: UnsafeRawBufferPointer, notation: PathNotation) {
        var end = bytes.count
        if notation == .http {
            end = bytes.firstIndex { $0 == UInt8(ascii: "?") || $0 == UInt8(ascii: "#") } ?? end
        }
        rest = UnsafeRawBufferPointer(rebasing: bytes[..<end])
    }

    mutating func next() -> UnsafeRawBufferPointer? {
        var start = 0
        while start < rest.count, rest[start] == UInt8(ascii: "/") { start += 1 }
        guard start < rest.count else { return nil }
        var end = start
        while end < rest.count, rest[end] != UInt8(ascii: "/") { end += 1 }
        defer { rest = UnsafeRawBufferPointer(rebasing: rest[end...]) }
        return UnsafeRawBufferPointer(rebasing: rest[start..<end])
    }
}
