// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0
import PackageDescription

/// Every target is compiled in Swift 6 mode; warnings are errors so that CI and a developer see the same thing.
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .treatAllWarnings(as: .error),
]

/// The modules whose inner loops work on raw bytes: dynamic exclusivity checks cost a third of the per-message path there.
let hot: [SwiftSetting] = strict + [.unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release))]

/// lld links an executable in half of the default linker's time.
let fastLink: [LinkerSetting] = [.unsafeFlags(["-use-ld=lld"], .when(platforms: [.linux]))]

let nio: Target.Dependency = .product(name: "NIOCore", package: "swift-nio")
let nioPosix: Target.Dependency = .product(name: "NIOPosix", package: "swift-nio")
let nioHTTP1: Target.Dependency = .product(name: "NIOHTTP1", package: "swift-nio")
let nioWebSocket: Target.Dependency = .product(name: "NIOWebSocket", package: "swift-nio")
let nioHTTP2: Target.Dependency = .product(name: "NIOHTTP2", package: "swift-nio-http2")
let nioHPACK: Target.Dependency = .product(name: "NIOHPACK", package: "swift-nio-http2")
let nioSSL: Target.Dependency = .product(name: "NIOSSL", package: "swift-nio-ssl")
let nioEmbedded: Target.Dependency = .product(name: "NIOEmbedded", package: "swift-nio")
let nioHTTPTypes: Target.Dependency = .product(name: "NIOHTTPTypes", package: "swift-nio-extras")
let httpTypes: Target.Dependency = .product(name: "HTTPTypes", package: "swift-http-types")
let hummingbird: Target.Dependency = .product(name: "Hummingbird", package: "hummingbird")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let metrics: Target.Dependency = .product(name: "CoreMetrics", package: "swift-metrics")
let lifecycle: Target.Dependency = .product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let configuration: Target.Dependency = .product(name: "Configuration", package: "swift-configuration")
let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")
let cryptoExtras: Target.Dependency = .product(name: "CryptoExtras", package: "swift-crypto")
let jwt: Target.Dependency = .product(name: "JWTKit", package: "jwt-kit")
let deque: Target.Dependency = .product(name: "DequeModule", package: "swift-collections")
let collections: Target.Dependency = .product(name: "Collections", package: "swift-collections")
let argumentParser: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")
let asyncHTTPClient: Target.Dependency = .product(name: "AsyncHTTPClient", package: "async-http-client")
let x509: Target.Dependency = .product(name: "X509", package: "swift-certificates")
let asn1: Target.Dependency = .product(name: "SwiftASN1", package: "swift-asn1")
let grdb: Target.Dependency = .product(name: "GRDB", package: "GRDB.swift")
let sqlite: Target.Dependency = .product(name: "GRDBSQLite", package: "GRDB.swift")
let tracing: Target.Dependency = .product(name: "Tracing", package: "swift-distributed-tracing")

/// A service: a library that tests can run in-process, and an executable of three lines.
///
/// - Parameter folder: its folder below `Services`, where that is not the library's name without `Service`.
func service(
    _ library: String, folder: String? = nil, dependencies: [Target.Dependency], settings: [SwiftSetting] = strict
) -> [Target] {
    let path = "Services/\(folder ?? library.replacing("Service", with: ""))"
    return [
        .target(
            name: library,
            dependencies: dependencies,
            path: path,
            exclude: ["Main", "README.md"],
            swiftSettings: settings
        ),
        .executableTarget(
            name: "\(library)Main",
            dependencies: [.target(name: library)],
            path: "\(path)/Main",
            swiftSettings: strict,
            linkerSettings: fastLink
        ),
    ]
}

let package = Package(
    name: "martlet",
    products: [
        .executable(name: "bus", targets: ["BusServiceMain"]),
        .executable(name: "users", targets: ["UsersServiceMain"]),
        .executable(name: "things", targets: ["ThingsServiceMain"]),
        .executable(name: "http-adapter", targets: ["HTTPAdapterMain"]),
        .executable(name: "mqtt-adapter", targets: ["MQTTAdapterMain"]),
        .executable(name: "mqtt-bridge", targets: ["MQTTBridgeMain"]),
        .executable(name: "coap-adapter", targets: ["CoAPAdapterMain"]),
        .executable(name: "writer-postgres", targets: ["WriterPostgresMain"]),
        .executable(name: "reader-postgres", targets: ["ReaderPostgresMain"]),
        .executable(name: "journal", targets: ["JournalServiceMain"]),
        .executable(name: "martlet", targets: ["MartletCLIMain"]),
        .executable(name: "fuzz", targets: ["Fuzz"]),
        .executable(name: "bench", targets: ["Bench"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio.git", from: "2.101.2"),
        .package(url: "https://github.com/hummingbird-project/hummingbird.git", from: "2.28.1"),
        .package(url: "https://github.com/apple/swift-log.git", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio-extras.git", from: "1.35.2"),
        .package(url: "https://github.com/apple/swift-nio-http2.git", from: "1.46.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl.git", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-http-types.git", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-metrics.git", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-distributed-tracing.git", from: "1.7.3"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle.git", from: "2.13.0"),
        .package(
            url: "https://github.com/apple/swift-configuration.git", from: "1.4.0",
            traits: ["JSON", "CommandLineArguments"]),
        .package(url: "https://github.com/apple/swift-crypto.git", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-certificates.git", from: "1.21.1"),
        .package(url: "https://github.com/apple/swift-asn1.git", from: "1.7.0"),
        .package(url: "https://github.com/vapor/jwt-kit.git", from: "5.7.1"),
        .package(url: "https://github.com/apple/swift-collections.git", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-argument-parser.git", from: "1.8.2"),
        .package(url: "https://github.com/groue/GRDB.swift.git", from: "7.10.0"),
        .package(url: "https://github.com/swift-server/async-http-client.git", from: "1.37.0"),
    ],
    targets: [
        // C libraries, each imported in one place.
        .systemLibrary(name: "CPQ", path: "Shared/C/CPQ", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
        .systemLibrary(name: "CLinux", path: "Shared/C/CLinux"),
        .systemLibrary(
            name: "CCurl", path: "Shared/C/CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        .systemLibrary(
            name: "CMosquitto", path: "Shared/C/CMosquitto", pkgConfig: "libmosquitto",
            providers: [.apt(["libmosquitto-dev"])]),
        .systemLibrary(
            name: "CCoAP", path: "Shared/C/CCoAP", pkgConfig: "libcoap-3-openssl",
            providers: [.apt(["libcoap3-dev", "libssl-dev"])]),
        .systemLibrary(name: "COpenSSL", path: "Shared/C/COpenSSL", providers: [.apt(["libssl-dev"])]),

        // Shared, lowest first; an import goes one way only.
        .target(name: "Core", path: "Shared/Core", swiftSettings: hot),
        .target(
            name: "Messaging", dependencies: ["Core", nio], path: "Shared/Messaging",
            exclude: ["RawMessage.proto"], swiftSettings: hot),
        .target(
            name: "Bus", dependencies: ["Core", "Messaging", nio, nioPosix, logging], path: "Shared/Bus",
            swiftSettings: hot),
        .target(
            name: "Observability", dependencies: ["Core", nio, nioPosix, nioHTTP1, logging, metrics, tracing],
            path: "Shared/Observability", swiftSettings: strict),
        .target(
            name: "Postgres", dependencies: ["Core", "CPQ", nio, logging], path: "Shared/Postgres",
            swiftSettings: hot),
        .target(name: "Mail", dependencies: ["Core", "CCurl", nioPosix], path: "Shared/Mail", swiftSettings: strict),
        .target(
            name: "Identity",
            dependencies: ["Core", "Messaging", "Bus", nioPosix, crypto, cryptoExtras, jwt, logging],
            path: "Shared/Identity", swiftSettings: strict),
        .target(
            name: "ServiceKit",
            dependencies: [
                "Core", "Messaging", "Bus", "Postgres", "Observability", "CLinux", lifecycle, configuration, logging,
            ],
            path: "Shared/ServiceKit", swiftSettings: strict),
        .target(
            name: "HTTPKit",
            dependencies: [
                "Core", "Messaging", "Bus", "Identity", "Observability", "ServiceKit", nio, nioHTTPTypes, httpTypes,
                hummingbird, logging,
            ],
            path: "Shared/HTTPKit", swiftSettings: strict),
        .target(
            name: "AdapterKit",
            dependencies: [
                "Core", "Messaging", "Bus", "Identity", "Observability", "ServiceKit", nio, crypto, deque, x509, asn1,
                logging,
            ],
            path: "Shared/AdapterKit", swiftSettings: hot),
    ]
        + service(
            "BusService",
            dependencies: ["Core", "Messaging", "Bus", "Observability", "ServiceKit", "CLinux", logging, lifecycle],
            settings: hot)
        + service(
            "UsersService",
            dependencies: [
                "Core", "Messaging", "Bus", "Postgres", "Identity", "Mail", "Observability", "ServiceKit", "HTTPKit",
            ])
        + service(
            "ThingsService",
            dependencies: [
                "Core", "Messaging", "Bus", "Postgres", "Identity", "Observability", "ServiceKit", "HTTPKit", nio,
                crypto,
            ])
        + service(
            "HTTPAdapter",
            dependencies: [
                "Core", "Messaging", "Bus", "Identity", "Observability", "ServiceKit", "AdapterKit", nio, nioPosix,
                nioHTTP1, nioHTTP2, nioHPACK, nioWebSocket, crypto,
            ],
            settings: hot)
        + service(
            "MQTTAdapter",
            dependencies: [
                "Core", "Messaging", "Bus", "Identity", "Observability", "ServiceKit", "HTTPKit", "AdapterKit", nio,
                nioPosix, nioHTTP1, nioWebSocket, nioSSL, x509, asn1, deque, grdb, sqlite, logging,
            ],
            settings: hot)
        + service(
            "MQTTBridge",
            dependencies: [
                "Core", "Messaging", "Bus", "Identity", "Observability", "ServiceKit", "AdapterKit", "CLinux",
                "CMosquitto", nio, crypto, deque, logging,
            ])
        + service(
            "CoAPAdapter",
            dependencies: [
                "Core", "Messaging", "Bus", "Identity", "Observability", "ServiceKit", "AdapterKit", "CCoAP", nio,
                crypto, deque, logging,
            ],
            settings: hot)
        + service(
            "WriterPostgres",
            dependencies: ["Core", "Messaging", "Bus", "Postgres", "Observability", "ServiceKit", "CLinux", nio],
            settings: hot)
        + service(
            "ReaderPostgres",
            dependencies: [
                "Core", "Messaging", "Bus", "Postgres", "Identity", "Observability", "ServiceKit", "HTTPKit",
                "AdapterKit",
            ])
        + service(
            "JournalService",
            dependencies: [
                "Core", "Messaging", "Bus", "Postgres", "Identity", "Observability", "ServiceKit", "HTTPKit", nio,
            ])
        + service(
            "MartletCLI", folder: "Martlet",
            dependencies: [
                "Core", "Observability", nio, nioPosix, nioHTTP1, nioSSL, argumentParser, asyncHTTPClient, collections,
            ])
        + [
            // Tests/TestKit: private PostgreSQL clusters, a mail server, processes of the product, HTTP by hand, temporary folders.
            .target(
                name: "TestKit",
                dependencies: ["Core", "Messaging", "Bus", "Postgres", nio, nioPosix, crypto, logging],
                path: "Tests/TestKit", exclude: ["smtp_server.py"], swiftSettings: strict),

            .testTarget(name: "CoreTests", dependencies: ["Core"], path: "Tests/Unit/Core", swiftSettings: strict),
            .testTarget(
                name: "MessagingTests", dependencies: ["Core", "Messaging", "Fuzz", "TestKit", nio],
                path: "Tests/Unit/Messaging",
                swiftSettings: strict),
            .testTarget(
                name: "MQTTTests",
                dependencies: ["MQTTAdapter", "Core", "Messaging", "Bus", "TestKit", nio, grdb, sqlite, logging],
                path: "Tests/Unit/MQTT", exclude: ["STATEMENTS.md"], swiftSettings: strict),
            .testTarget(
                name: "MQTTBridgeUnitTests",
                dependencies: ["MQTTBridge", "Core", "Messaging", "AdapterKit", "TestKit", nio],
                path: "Tests/Unit/MQTTBridge", swiftSettings: strict),
            .testTarget(
                name: "CoAPTests",
                dependencies: ["CoAPAdapter", "Core", "Messaging", "Bus", "AdapterKit", "TestKit", nio],
                path: "Tests/Unit/CoAP", swiftSettings: strict),
            .testTarget(
                name: "BusServiceTests", dependencies: ["Core", "Bus", "BusService", "TestKit", nio],
                path: "Tests/Unit/Bus", swiftSettings: strict),
            .testTarget(
                name: "KitTests",
                dependencies: [
                    "Core", "Bus", "Identity", "Mail", "Observability", "ServiceKit", "HTTPKit", "AdapterKit",
                    "TestKit",
                    nio,
                ], path: "Tests/Unit/Kit", swiftSettings: strict),

            .testTarget(
                name: "MartletCLITests", dependencies: ["MartletCLI", "TestKit", nio, argumentParser],
                path: "Tests/Unit/CLI",
                swiftSettings: strict),

            .testTarget(
                name: "BusContractTests", dependencies: ["Core", "Bus", "BusService", "TestKit", nio, nioPosix],
                path: "Tests/Integration/BusContract", swiftSettings: strict),
            .testTarget(
                name: "PostgresTests", dependencies: ["Core", "Postgres", "TestKit", logging],
                path: "Tests/Integration/Postgres", swiftSettings: strict),
            .testTarget(
                name: "UsersTests",
                dependencies: [
                    "UsersService", "Bus", "Messaging", "Identity", "Mail", "Postgres", "HTTPKit", "TestKit",
                ], path: "Tests/Integration/Users", swiftSettings: strict),
            .testTarget(
                name: "ThingsTests",
                dependencies: [
                    "ThingsService", "AdapterKit", "Identity", "HTTPKit", "Postgres", "Observability", "TestKit", nio,
                    logging,
                ], path: "Tests/Integration/Things", swiftSettings: strict),
            .testTarget(
                name: "HTTPAdapterTests",
                dependencies: [
                    "Core", "Messaging", "Bus", "Observability", "ServiceKit", "AdapterKit", "HTTPAdapter", "TestKit",
                    nio, nioHTTP1, nioHPACK, crypto,
                ], path: "Tests/Integration/HTTPAdapter", swiftSettings: strict),
            .testTarget(
                name: "MQTTAdapterTests",
                dependencies: [
                    "Core", "Messaging", "Bus", "Identity", "Observability", "ServiceKit", "AdapterKit", "MQTTAdapter",
                    "Fuzz", "TestKit",
                    nio, nioPosix, nioSSL, nioHTTP1, nioWebSocket, x509, asn1, crypto, logging,
                ], path: "Tests/Integration/MQTTAdapter", exclude: ["paho_client.py", "tls_resume.py"],
                swiftSettings: strict),
            .testTarget(
                name: "MQTTBridgeTests",
                dependencies: ["Core", "Messaging", "Bus", "TestKit", nio, logging],
                path: "Tests/Integration/MQTTBridge", swiftSettings: strict),
            .testTarget(
                name: "CoAPAdapterTests",
                dependencies: [
                    "Core", "Messaging", "Bus", "Observability", "ServiceKit", "CoAPAdapter", "Fuzz", "TestKit", nio,
                    logging,
                ],
                path: "Tests/Integration/CoAPAdapter", exclude: ["aiocoap_client.py"], swiftSettings: strict),
            .testTarget(
                name: "StorageTests",
                dependencies: [
                    "Core", "Messaging", "Bus", "Postgres", "Observability", "ServiceKit", "AdapterKit",
                    "WriterPostgres",
                    "ReaderPostgres", "TestKit", nio, nioPosix, logging,
                ],
                path: "Tests/Integration/Storage", swiftSettings: strict),

            .testTarget(
                name: "JournalTests",
                dependencies: [
                    "Core", "Messaging", "Bus", "Postgres", "Observability", "JournalService", "TestKit", nio, logging,
                ], path: "Tests/Integration/Journal", swiftSettings: strict),

            .testTarget(
                name: "EndToEndTests", dependencies: ["Core", "Postgres", "TestKit"], path: "Tests/EndToEnd",
                swiftSettings: strict),
            .testTarget(
                name: "FaultTests", dependencies: ["Core", "Messaging", "Bus", "Postgres", "TestKit"],
                path: "Tests/Faults",
                swiftSettings: strict),

            .executableTarget(
                name: "Fuzz",
                dependencies: [
                    "Core", "Messaging", "Bus", "MQTTAdapter", "CoAPAdapter", "TestKit", nio, nioPosix, logging,
                ],
                path: "Tests/Fuzz",
                swiftSettings: hot,
                linkerSettings: fastLink),
            .executableTarget(
                name: "Bench",
                dependencies: [
                    "Core", "Messaging", "Bus", "Postgres", "CLinux", "COpenSSL", "TestKit", nio, nioPosix, nioHTTP1,
                    hummingbird, logging,
                ],
                path: "Benchmarks", exclude: ["README.md"], swiftSettings: hot, linkerSettings: fastLink),
        ]
)
