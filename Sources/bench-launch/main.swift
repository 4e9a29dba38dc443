// Compares ways to start a process, and prints each as a ratio to posix_spawn(3):
//
//   bench-launch HEAP_MIB ROUNDS COUNT INFLIGHT
//
// runs /bin/true COUNT times in each way, INFLIGHT at a time, from one thread that reads output and
// error to their ends and watches a pidfd; and that ROUNDS times, the ways interleaved. HEAP_MIB of
// memory is touched first. While it runs, another thread asks the first for a byte's echo every
// millisecond: how long that takes is what the loop's other streams have to wait.

internal import Glibc

let arguments = CommandLine.arguments.dropFirst().compactMap { Int($0) }
guard arguments.count == 4 else {
  print("usage: bench-launch HEAP_MIB ROUNDS COUNT INFLIGHT")
  exit(64)
}
let (heapMiB, rounds, count, inflight) = (arguments[0], arguments[1], arguments[2], arguments[3])

let heap = UnsafeMutableRawPointer.allocate(byteCount: max(heapMiB, 1) << 20, alignment: 4096)
heap.initializeMemory(as: UInt8.self, repeating: 1, count: heapMiB << 20)

let ways = makeWays()
var rates = [[Double]](repeating: [], count: ways.count)
var waits = [[Double]](repeating: [], count: ways.count)
for _ in 0..<rounds {
  for (index, way) in ways.enumerated() {
    let harness = Harness(way, count: count, inflight: inflight)
    let result = harness.run()
    rates[index].append(result.rate)
    waits[index] += result.waits
  }
}

print("heap \(heapMiB) MiB, \(inflight) in flight, medians of \(rounds) rounds of \(count)")
print(pad("way", 44), "per second   ratio   echo p50 us   p99 us")
for (index, way) in ways.enumerated() {
  let ratios = zip(rates[index], rates[0]).map { $0 / $1 }
  print(
    pad(way.name, 44), pad("\(Int(median(rates[index])))", 12),
    pad("\((median(ratios) * 100).rounded() / 100)", 7),
    pad("\(Int(quantile(waits[index], 0.5)))", 13), Int(quantile(waits[index], 0.99)))
}
