// SPDX-License-Identifier: Apache-2.0

/// A list of a management API, read page by page.
struct EntityList: Sendable {
    /// The most that these APIs give at once (`HTTPLimits.pageSize`).
    private static let pageSize = 100

    let path: String
    /// What the list is called in the document.
    let member: String
    var filters: [(name: String, value: String)]

    /// - Parameter send: as whom.
    /// - Returns: `{total, total_is_exact, offset, <member>: […]}`, one document however many pages it took.
    func load(
        offset: Int = 0, limit: Int, send: (APIRequest) async throws -> APIResponse
    ) async throws -> JSONValue {
        var elements: [JSONValue] = []
        var first: JSONValue?
        var start: (name: String, value: String)? = ("offset", String(offset))
        while let from = start, elements.count < limit {
            let size = ("limit", String(min(Self.pageSize, limit - elements.count)))
            let page = try await send(APIRequest(.get, path, query: filters + [from, size])).json()
            // Only the first is counted; those behind it go by cursor, which costs the same however deep they are.
            first = first ?? page
            let found = page[member]?.elements ?? []
            elements += found
            start = found.isEmpty ? nil : page["next_cursor"]?.text.map { ("cursor", $0) }
        }
        return .document([
            ("total", first?["total"]), ("total_is_exact", first?["total_is_exact"]), ("offset", .integer(offset)),
            (member, .array(elements)),
        ])
    }
}
