// SPDX-License-Identifier: Apache-2.0
import Core

/// The adapter's API in OpenAPI 3.1, served at `/openapi.json`.
enum OpenAPIDocument {
    static let text = """
        {
          "openapi": "3.1.0",
          "info": {
            "title": "Martlet HTTP adapter",
            "version": "1",
            "description": "Messages of devices over HTTP: published with POST, followed live over server-sent events and WebSocket. 202 means that the message is synced to disk.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" }
          },
          "paths": {
            "/channels/{channel}/messages": {
              "get": \(live("follow", ["channel"])),
              "post": \(operation("publish", ["channel"]))
            },
            "/channels/{channel}/messages/{subtopic}": {
              "get": \(live("followSubtopic", ["channel", "subtopic"])),
              "post": \(operation("publishToSubtopic", ["channel", "subtopic"]))
            },
            "/m/{domain}/c/{channel}": {
              "get": \(live("followInDomain", ["domain", "channel"])),
              "post": \(operation("publishInDomain", ["domain", "channel"]))
            },
            "/m/{domain}/c/{channel}/{subtopic}": {
              "get": \(live("followSubtopicInDomain", ["domain", "channel", "subtopic"])),
              "post": \(operation("publishInDomainToSubtopic", ["domain", "channel", "subtopic"]))
            },
            "/health": {
              "get": {
                "operationId": "health", "summary": "Whether the adapter can do its work", "security": [],
                "responses": {
                  "200": { "description": "It can", "content": { "application/health+json": {} } },
                  "503": { "description": "It cannot; the checks say why", "content": { "application/health+json": {} } }
                }
              }
            },
            "/metrics": {
              "get": {
                "operationId": "metrics", "summary": "Figures in the Prometheus text format", "security": [],
                "responses": { "200": { "description": "The figures", "content": { "text/plain": {} } } }
              }
            }
          },
          "security": [ { "thingKey": [] }, { "basic": [] } ],
          "components": {
            "securitySchemes": {
              "thingKey": {
                "type": "apiKey", "in": "header", "name": "Authorization",
                "description": "'Thing <key>', 'Client <key>' or the bare key"
              },
              "basic": {
                "type": "http", "scheme": "basic",
                "description": "The key as password; a user name that is a thing's identifier must be that of the key's thing"
              },
              "person": {
                "type": "http", "scheme": "bearer",
                "description": "A person's access token; for following the channels of its domain only"
              },
              "query": {
                "type": "apiKey", "in": "query", "name": "authorization",
                "description": "What the Authorization field would be; for following only, where a browser cannot set fields"
              }
            },
            "parameters": {
              "channel": {
                "name": "channel", "in": "path", "required": true, "schema": { "type": "string" },
                "description": "The channel's identifier, or its route within the domain"
              },
              "domain": {
                "name": "domain", "in": "path", "required": true, "schema": { "type": "string" },
                "description": "The domain's identifier or route; the channel must be this domain's"
              },
              "subtopic": {
                "name": "subtopic", "in": "path", "required": true,
                "schema": { "type": "string", "maxLength": \(Limits.subtopicBytes) },
                "description": "Up to \(Limits.subtopicTokens) elements, slashes between them; no dots or spaces. Wildcards ('+', '*', '#', '>') in a filter only"
              },
              "lastEventID": {
                "name": "Last-Event-ID", "in": "header", "required": false, "schema": { "type": "integer" },
                "description": "Resume behind the message of this number"
              },
              "after": {
                "name": "after", "in": "query", "required": false, "schema": { "type": "integer" },
                "description": "The same; last_event_id is another name for it"
              },
              "contentType": {
                "name": "content_type", "in": "query", "required": false, "schema": { "type": "string" },
                "description": "What the frames that a WebSocket client sends are; application/senml+json by default"
              },
              "idempotencyKey": {
                "name": "Idempotency-Key", "in": "header", "required": false,
                "schema": { "type": "string", "minLength": 1, "maxLength": \(IdempotencyKey.maximumBytes) },
                "description": "A retry with the same key, from the same thing to the same channel, is acknowledged and not stored again (within two minutes)"
              },
              "traceparent": {
                "name": "traceparent", "in": "header", "required": false, "schema": { "type": "string" },
                "description": "W3C Trace Context; goes with the message"
              }
            },
            "responses": {
              "Accepted": {
                "description": "The message is synced to disk",
                "headers": {
                  "\(ResponseComposer.sequenceField)": {
                    "schema": { "type": "integer" }, "description": "The message's number in the stream of accepted messages"
                  },
                  "\(ResponseComposer.lastSequenceField)": {
                    "schema": { "type": "integer" }, "description": "Of a batch: the greatest number, where the other is the least"
                  },
                  "\(ResponseComposer.messagesField)": {
                    "schema": { "type": "integer" }, "description": "Of a batch: how many messages it was"
                  },
                  "Idempotency-Replayed": {
                    "schema": { "const": "true" }, "description": "The message had been accepted before; the number is the first one's"
                  }
                }
              },
              "Problem": {
                "description": "Refused; 'reason' is stable and counted by /metrics",
                "headers": {
                  "Retry-After": { "schema": { "type": "integer" }, "description": "Seconds; with 429 and 503" }
                },
                "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } }
              }
            },
            "schemas": {
              "Problem": {
                "type": "object",
                "required": ["type", "title", "status", "detail", "reason", "error"],
                "properties": {
                  "type": { "type": "string", "format": "uri" },
                  "title": { "type": "string" },
                  "status": { "type": "integer" },
                  "detail": { "type": "string" },
                  "reason": { "type": "string" },
                  "line": { "type": "integer", "description": "Of a batch: the line that is refused, from 1" },
                  "error": { "type": "string", "description": "The same as 'detail', for clients of Mainflux" }
                }
              }
            }
          }
        }
        """

    private static func live(_ identifier: String, _ parameters: [String]) -> String {
        let references = (parameters + ["lastEventID", "after", "contentType"])
            .map { "{ \"$ref\": \"#/components/parameters/\($0)\" }" }.joined(separator: ", ")
        let refusals = [400, 401, 403, 404, 406, 415, 426, 503]
            .map { "\"\($0)\": { \"$ref\": \"#/components/responses/Problem\" }" }.joined(separator: ", ")
        return """
            {
                "operationId": "\(identifier)",
                "summary": "Follow messages live: as server-sent events, or over WebSocket (both ways)",
                "parameters": [\(references)],
                "security": [ { "thingKey": [] }, { "basic": [] }, { "person": [] }, { "query": [] } ],
                "responses": {
                  "101": {
                    "description": "With 'Upgrade: websocket'. Subprotocols: \(WebSocketHandshake.bareProtocol) (or none): the bare payloads; \(WebSocketHandshake.envelopeProtocol): JSON documents with numbers and acknowledgements"
                  },
                  "200": {
                    "description": "With 'Accept: text/event-stream': events 'message', 'gap' and 'end'; id is the message's number",
                    "content": { "text/event-stream": { "schema": { "type": "string" } } }
                  },
                  \(refusals)
                }
              }
            """
    }

    private static func operation(_ identifier: String, _ parameters: [String]) -> String {
        let references = (parameters + ["idempotencyKey", "traceparent"])
            .map { "{ \"$ref\": \"#/components/parameters/\($0)\" }" }.joined(separator: ", ")
        let refusals = [400, 401, 403, 404, 405, 408, 413, 415, 429, 503]
            .map { "\"\($0)\": { \"$ref\": \"#/components/responses/Problem\" }" }.joined(separator: ", ")
        return """
            {
                "operationId": "\(identifier)", "summary": "Publish one message",
                "parameters": [\(references)],
                "requestBody": {
                  "required": true,
                  "content": {
                    "application/senml+json": { "schema": { "type": "array" } },
                    "application/senml+cbor": { "schema": { "type": "string", "contentMediaType": "application/senml+cbor" } },
                    "application/json": { "schema": {} },
                    "application/octet-stream": {},
                    "application/x-ndjson": {
                      "schema": {
                        "type": "string",
                        "description": "Up to \(MessageBatch.maximumMessages) messages, a JSON document a line; an array is a SenML pack"
                      }
                    },
                    "*/*": {}
                  }
                },
                "responses": { "202": { "$ref": "#/components/responses/Accepted" }, \(refusals) }
              }
            """
    }
}
