// SPDX-License-Identifier: Apache-2.0

/// A request to the front door.
struct APIRequest: Sendable {
    enum Method: String, Sendable {
        case get = "GET"
        case post = "POST"
        case put = "PUT"
        case patch = "PATCH"
        case delete = "DELETE"
    }

    var method: Method
    /// Percent-encoded already, without a query.
    var path: String
    var query: [(name: String, value: String)] = []
    var headers: [(name: String, value: String)] = []
    var body: [UInt8]?
    /// For the whole answer.
    var timeoutSeconds: Int64 = 30

    init(_ method: Method, _ path: String, query: [(name: String, value: String)] = []) {
        self.method = method
        self.path = path
        self.query = query
    }

    init(_ method: Method, _ path: String, json: JSONValue) {
        self.init(method, path)
        headers = [("Content-Type", "application/json")]
        body = Array(json.description.utf8)
    }

    var target: String {
        guard !query.isEmpty else { return path }
        let pairs = query.map { "\(PercentEncoding.encode($0.name))=\(PercentEncoding.encode($0.value))" }
        return "\(path)?\(pairs.joined(separator: "&"))"
    }

    func authorized(_ credential: String) -> APIRequest {
        var request = self
        request.headers.append(("Authorization", credential))
        return request
    }
}
