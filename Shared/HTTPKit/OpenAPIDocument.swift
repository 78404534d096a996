// SPDX-License-Identifier: Apache-2.0
import Foundation
import ServiceKit

/// The OpenAPI 3.1 document of a service, made from its declared operations, so that it cannot name a route that is not there.
struct OpenAPIDocument {
    let title: String
    let version: String
    let entries: [RouteTable.Entry]

    func json() -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted]
        // Strings, integers and finite literals only: encoding cannot fail.
        return (try? encoder.encode(value)) ?? Data()
    }

    var value: JSONValue {
        var paths: [String: JSONValue] = [:]
        for entry in entries {
            guard let operation = entry.operation else { continue }
            let path = Self.template(entry.path)
            var item: [String: JSONValue] = [:]
            if case .object(let existing)? = paths[path] { item = existing }
            item[entry.method.rawValue.lowercased()] = describe(
                operation, path: entry.path, method: entry.method.rawValue)
            paths[path] = .object(item)
        }
        return [
            "openapi": "3.1.0",
            "info": [
                "title": .string(title), "version": .string(version),
                "license": ["name": "Apache-2.0", "identifier": "Apache-2.0"],
            ],
            "paths": .object(paths),
            "components": [
                "securitySchemes": ["accessToken": ["type": "http", "scheme": "bearer", "bearerFormat": "JWT"]],
                "schemas": ["Problem": Self.problemSchema],
            ],
        ]
    }

    private func describe(_ operation: Operation, path: String, method: String) -> JSONValue {
        var description: [String: JSONValue] = [
            "summary": .string(operation.summary),
            "tags": [.string(operation.tag)],
            "operationId": .string(Self.identifier(method, path)),
            "responses": .object(responses(operation)),
        ]
        var parameters: [JSONValue] = path.split(separator: "/").filter { $0.hasPrefix(":") }.map {
            ["name": .string(String($0.dropFirst())), "in": "path", "required": true, "schema": ["type": "string"]]
        }
        parameters += operation.parameters.map {
            [
                "name": .string($0.name), "in": "query", "required": false, "description": .string($0.description),
                "schema": $0.schema,
            ]
        }
        if !parameters.isEmpty { description["parameters"] = .array(parameters) }
        if let body = operation.requestBody {
            description["requestBody"] = ["required": true, "content": ["application/json": ["schema": body]]]
        }
        switch operation.access {
        case .anyone, .custom: description["security"] = []
        case .person: description["security"] = [["accessToken": []]]
        }
        return .object(description)
    }

    private func responses(_ operation: Operation) -> [String: JSONValue] {
        var success: [String: JSONValue] = ["description": "Done."]
        var content: [String: JSONValue] = [:]
        for type in operation.responseTypes { content[type] = ["schema": [:]] }
        if let body = operation.responseBody { content["application/json"] = ["schema": body] }
        if !content.isEmpty { success["content"] = .object(content) }
        var responses: [String: JSONValue] = [String(operation.successStatus): .object(success)]
        for status in operation.otherSuccesses { responses[String(status)] = ["description": "Done."] }
        let common = [400, 429, 500, 503] + (operation.access == .anyone ? [] : [401, 403])
        let body = operation.requestBody == nil ? [] : [413, 415]
        for status in Set(common + body + operation.errors) {
            responses[String(status)] = [
                "description": "Refused.",
                "content": [
                    "application/problem+json": ["schema": ["$ref": "#/components/schemas/Problem"]]
                ],
            ]
        }
        return responses
    }

    /// `/things/:id` as OpenAPI writes it, `/things/{id}`.
    static func template(_ path: String) -> String {
        let segments = path.split(separator: "/").map { segment -> String in
            if segment.hasPrefix(":") { return "{\(segment.dropFirst())}" }
            return segment == "**" ? "{rest}" : String(segment)
        }
        return "/" + segments.joined(separator: "/")
    }

    private static func identifier(_ method: String, _ path: String) -> String {
        let words = path.split(whereSeparator: { !$0.isLetter && !$0.isNumber }).map {
            $0.prefix(1).uppercased() + $0.dropFirst()
        }
        return method.lowercased() + words.joined()
    }

    private static let problemSchema: JSONValue = .objectSchema(
        [
            "type": ["type": "string", "format": "uri"], "title": .stringSchema, "status": .integerSchema,
            "detail": .stringSchema, "reason": .stringSchema, "error": .stringSchema,
            "instance": ["type": "string", "format": "uri"],
        ], required: ["type", "title", "status", "detail", "reason", "error"])
}
