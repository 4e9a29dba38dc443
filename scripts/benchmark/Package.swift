// swift-tools-version: 6.2
import PackageDescription

// The programs that scripts/bench runs: telpher-bench, and the C programs that show the limits of
// the machine.

/// The name that SwiftPM gives Telpher's package: the folder of the repository as an identifier.
///
/// The suites `frames` and `wire` measure single layers, which are not part of the public API. So
/// telpher-bench is compiled under this name, and can use `package` declarations as tests do.
let telpher: String = {
  let repository = Context.packageDirectory.split(separator: "/").dropLast(2).last ?? "telpher"
  let name = repository.lowercased().map { $0.isLetter || $0.isNumber || $0 == "_" ? $0 : "_" }
  return (name.first?.isNumber == true ? "_" : "") + String(name)
}()

let package = Package(
  name: "benchmark",
  products: [
    // A library that counts the allocations of the program that loads it.
    .library(name: "bench-allocations", type: .dynamic, targets: ["CTelpherBenchAllocations"])
  ],
  dependencies: [
    .package(name: "telpher", path: "../.."),
    .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
  ],
  targets: [
    .executableTarget(name: "bench-spawn-c", path: "Sources/CTelpherBenchSpawn"),
    .executableTarget(
      name: "bench-echo-c", path: "Sources/CTelpherBenchEcho",
      linkerSettings: [.linkedLibrary("uv")]),
    .executableTarget(name: "bench-copy-c", path: "Sources/CTelpherBenchCopy"),
    .executableTarget(
      name: "bench-load-c", path: "Sources/CTelpherBenchLoad",
      linkerSettings: [.linkedLibrary("crypto")]),
    .executableTarget(
      name: "bench-far-c", path: "Sources/CTelpherBenchFar",
      linkerSettings: [.linkedLibrary("pthread"), .linkedLibrary("xxhash")]),
    .executableTarget(name: "bench-file-c", path: "Sources/CTelpherBenchFile"),
    .executableTarget(name: "bench-queue-c", path: "Sources/CTelpherBenchQueue"),
    .target(name: "CTelpherBenchAllocations"),
    .executableTarget(
      name: "telpher-bench",
      dependencies: [
        .product(name: "TelpherClient", package: "telpher"),
        .product(name: "TelpherFleet", package: "telpher"),
        .product(name: "TelpherNIO", package: "telpher"),
        .product(name: "TelpherServer", package: "telpher"),
        .product(name: "TelpherUV", package: "telpher"),
        .product(name: "telpher", package: "telpher"),
        .product(name: "telpher-nio", package: "telpher"),
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Histogram", package: "hdrhistogram-swift"),
      ],
      packageAccess: false,
      swiftSettings: [
        .swiftLanguageMode(.v6),
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .enableUpcomingFeature("InternalImportsByDefault"),
        .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
        .treatAllWarnings(as: .error),
        .unsafeFlags(["-package-name", telpher]),
      ]),
  ]
)
