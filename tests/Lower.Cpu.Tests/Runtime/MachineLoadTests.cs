using Picograd.Lower.Cpu.Machine;
using Xunit;

namespace Picograd.Tests;

/// <summary>What others take of the processors, by the kernel's count.</summary>
public sealed class MachineLoadTests
{
    [Fact]
    public void OthersAreWhatIsUsedAndNotOwn()
    {
        var before = MachineLoad.Of("cpu  1000 0 500 8000 100 0 0 0 0 0", own: 3);
        // In 100 seconds of processors 60 were used, 10 of them by another machine, and 20 by this process.
        var after = MachineLoad.Of("cpu  5500 0 1000 11800 300 0 0 1000 0 0", own: 23);
        double slack = Environment.ProcessorCount / 100.0 / 100.0;
        Assert.Equal(0.4 - slack, after.OthersSince(before)!.Value, 9);
        Assert.Null(after.OthersSince(after));
    }

    [Theory]
    [InlineData("")]
    [InlineData("cpu0 1 2 3 4 5 6 7 8")]
    [InlineData("cpu 1 2 x 4 5 6 7 8")]
    [InlineData("cpu 1 2 3")]
    public void ASystemThatDoesNotSayIsNeitherBusyNorQuiet(string line)
    {
        Assert.Null(MachineLoad.Of("cpu 9 9 9 9 9 9 9 9", 1).OthersSince(MachineLoad.Of(line, 0)));
        Assert.Null(MachineLoad.Of(line, 0).OthersSince(MachineLoad.Of("cpu 9 9 9 9 9 9 9 9", 1)));
    }
}
