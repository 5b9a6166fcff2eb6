using Picograd.Lower.Cpu.Machine;
using Xunit;

namespace Picograd.Tests.Runtime;

public class CpuTargetTests
{
    [Fact]
    public void The_machine_is_read()
    {
        CpuTarget target = CpuTarget.Detect();
        Assert.Contains(target.VectorBits, new[] { 128, 256, 512 });
        Assert.InRange(target.Cores, 1, Environment.ProcessorCount);
        Assert.InRange(target.L1Bytes, 8 << 10, 1 << 20);
        Assert.InRange(target.L2Bytes, 64 << 10, 64 << 20);
        Assert.NotEqual("", target.Model);
    }

    [Fact]
    public void Vectors_can_be_narrowed()
    {
        CpuTarget narrow = CpuTarget.Detect() with { VectorBits = 128 };
        Assert.Equal(4, narrow.VectorFloats);
        Assert.Equal(narrow.Architecture == "arm64" ? 32 : 16, narrow.VectorRegisters);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(64)]
    [InlineData(1024)]
    public void A_width_that_does_not_exist_is_refused(int bits)
    {
        CpuTarget target = CpuTarget.Detect();
        var refusal = Assert.Throws<ArgumentOutOfRangeException>(() => target with { VectorBits = bits });
        Assert.Contains($"VectorBits is {bits}, but this machine allows 128", refusal.Message);
    }

    [Theory]
    [InlineData("300")]
    [InlineData("wide")]
    [InlineData("-256")]
    [InlineData("1024")]
    public void A_bad_environment_variable_is_refused(string text)
    {
        var refusal = Assert.Throws<InvalidOperationException>(() => CpuTarget.ParseVectorBits(text));
        Assert.Contains($"PICOGRAD_VECTOR_BITS is '{text}', but this machine allows 128", refusal.Message);
    }

    [Fact]
    public void The_environment_variable_is_parsed() => Assert.Equal(128, CpuTarget.ParseVectorBits("128"));

    [Fact]
    public void The_fingerprint_names_what_speed_depends_on()
    {
        var target = new CpuTarget
        {
            Architecture = "x64",
            Model = "AMD EPYC [f26m2]",
            VectorBits = 128,
            HasFma = true,
            Cores = 2,
            L1Bytes = 48 << 10,
            L2Bytes = 1 << 20,
        };
        Assert.Equal("cpu;x64;amd-epyc-f26m2;sse;fma;l1=48k;l2=1m;threads=1", target.Fingerprint(1));
        Assert.Throws<ArgumentOutOfRangeException>(() => target.Fingerprint(0));
    }

    [Theory]
    [InlineData("Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz [f6m143]", "intel-xeon-platinum-8481c-f6m143")]
    [InlineData("AMD EPYC 7B13 64-Core Processor [f25m1]", "amd-epyc-7b13-f25m1")]
    [InlineData("", "unknown")]
    public void Processor_names_become_short_words(string name, string slug) =>
        Assert.Equal(slug, ProcessorName.Slug(name));

    [Fact]
    public void Processor_names_come_from_the_first_block_of_cpuinfo()
    {
        string[] x86 = ["cpu family\t: 25", "model\t\t: 1", "model name\t: AMD EPYC 7B13", "", "model name\t: other"];
        Assert.Equal("AMD EPYC 7B13 [f25m1]", ProcessorName.FromCpuInfo(x86));
        Assert.Equal("arm 0x41 0xd0c", ProcessorName.FromCpuInfo(["CPU implementer : 0x41", "CPU part : 0xd0c"]));
        Assert.Null(ProcessorName.FromCpuInfo(["flags : none"]));
    }

    [Theory]
    [InlineData("48K", 48L << 10)]
    [InlineData("32M", 32L << 20)]
    [InlineData("512", 512L)]
    [InlineData("", null)]
    [InlineData("K", null)]
    [InlineData("-3K", null)]
    public void Cache_sizes_are_parsed(string text, long? bytes) => Assert.Equal(bytes, CacheSizes.ParseSize(text));

    [Fact]
    public void Without_a_cache_folder_common_sizes_are_taken() =>
        Assert.Equal(CacheSizes.Fallback, CacheSizes.Read(Path.Combine(Path.GetTempPath(), Path.GetRandomFileName())));
}
