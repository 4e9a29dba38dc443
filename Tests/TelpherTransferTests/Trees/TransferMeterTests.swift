import Testing

@testable import TelpherFileStore
@testable import TelpherTransfer

struct TransferMeterTests {
  @Test func reportsOfManyStreamsAtOnceAreAllCounted() async {
    let meter = TransferMeter()
    let (tasks, turns) = (8, 20_000)
    await withTaskGroup { group in
      for _ in 0..<tasks {
        group.addTask {
          for _ in 0..<turns { meter.update { $0.move(1) } }
        }
      }
    }
    meter.finish()
    var last = TransferProgress()
    for await progress in meter.updates { last = progress }
    #expect(last.movedBytes == Int64(tasks * turns))
  }
}
