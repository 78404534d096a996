// SPDX-License-Identifier: Apache-2.0

/// Text that is what its bytes are. `String` takes characters that look alike for the same; MQTT compares what was sent: topics and filters
/// ([MQTT-4.7.3-4]), client identifiers, names of shares.
package struct ExactText: Hashable, Sendable {
    package let text: String

    package init(_ text: String) { self.text = text }

    package static func == (left: Self, right: Self) -> Bool { left.text.utf8.elementsEqual(right.text.utf8) }

    package func hash(into hasher: inout Hasher) {
        var text = text
        text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
    }
}

/// Values by text that is compared byte by byte.
package struct ExactTable<Value> {
    private var entries: [ExactText: Value] = [:]

    package init() {}

    package var count: Int { entries.count }
    package var values: Dictionary<ExactText, Value>.Values { entries.values }

    package subscript(text: String) -> Value? {
        get { entries[ExactText(text)] }
        set { entries[ExactText(text)] = newValue }
    }
}
