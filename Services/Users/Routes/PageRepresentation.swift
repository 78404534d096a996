// SPDX-License-Identifier: Apache-2.0
import HTTPKit

/// A page of a list: `{"total", "offset", "limit", "next_cursor", "<name>": […]}`.
struct PageRepresentation<Element: Encodable>: Encodable {
    private struct Key: CodingKey {
        var stringValue: String
        var intValue: Int? { nil }

        init(stringValue: String) { self.stringValue = stringValue }

        init?(intValue: Int) { nil }
    }

    private let total: Int
    private let request: PageRequest
    private let next: String?
    private let name: String
    private let elements: [Element]

    /// - Parameter name: of the member that holds the elements.
    init<Entity>(_ page: ListPage<Entity>, _ request: PageRequest, _ name: String, _ make: (Entity) -> Element) {
        total = page.total
        self.request = request
        next = page.next.map(PageRequest.encodeCursor)
        self.name = name
        elements = page.elements.map(make)
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(total, forKey: Key(stringValue: "total"))
        try container.encode(request.offset, forKey: Key(stringValue: "offset"))
        try container.encode(request.limit, forKey: Key(stringValue: "limit"))
        try container.encodeIfPresent(next, forKey: Key(stringValue: "next_cursor"))
        try container.encode(elements, forKey: Key(stringValue: name))
    }
}
