using Picograd.Models;
using Xunit;

namespace Picograd.Tests.Cuda;

public sealed class CudaTensorTests
{
    [SkippableFact]
    public void Tensors_go_there_and_back()
    {
        var device = EmulatedGpu.Require();
        var x = Tensor.From([1.5f, -2f, 3f, 4f, 5f, 6f], [2, 3]);
        var there = x.ToDevice(device);
        Assert.Equal(device, there.Device);
        Assert.Equal("cuda:0", there.Device.ToString());
        Assert.Equal(x.ToArray<float>(), there.ToArray<float>());
        Assert.Equal([1.5f, 4f, -2f, 5f, 3f, 6f], there.T.ToArray<float>());
        Assert.Equal(6.0, there[1, 2].Item());
        Assert.Same(there, there.ToDevice(device));
        Assert.Equal(Device.Cpu, there.Cpu().Device);
        Assert.EndsWith(", device='cuda:0')", there.ToString());
    }

    [SkippableFact]
    public unsafe void Numbers_for_kernels_lie_where_kernels_take_them_without_a_copy()
    {
        var device = EmulatedGpu.Require();
        var runtime = Dispatch.DeviceRuntime.Of(device);
        int alignment = Dispatch.Dispatcher.TargetOf(device).ArgumentAlignment;
        for (int i = 0; i < 5; i++)
        {
            double number = 0.1234 + i;
            nint address = runtime.Cells((nint)(&number), sizeof(double));
            Assert.Equal(0, address % alignment);
            Assert.Equal(address, runtime.Cells((nint)(&number), sizeof(double)));
            double there;
            runtime.Read(address, (nint)(&there), sizeof(double));
            Assert.Equal(number, there);
        }
    }

    [SkippableFact]
    public void Operands_on_two_devices_are_refused_with_both()
    {
        var device = EmulatedGpu.Require();
        var here = Tensor.Ones(3, 3);
        var there = Tensor.Ones(3, 3).ToDevice(device);
        foreach (
            var (what, mixed) in new (string, Func<Tensor>)[]
            {
                ("add", () => here + there),
                ("matmul", () => there.MatMul(here)),
                ("where", () => Tensor.Where(here > 0, there, there)),
                ("cat", () => Tensor.Cat([here, there])),
                ("linear", () => F.Linear(here, there)),
                ("gather", () => there.Gather(1, Tensor.Zeros([3, 1], DType.Int64))),
            }
        )
        {
            var refusal = Assert.Throws<ArgumentException>(mixed);
            Assert.StartsWith(what, refusal.Message);
            Assert.Contains("cpu", refusal.Message);
            Assert.Contains("cuda:0", refusal.Message);
            Assert.Contains("ToDevice()", refusal.Message);
        }
    }

    [SkippableFact]
    public void A_device_that_is_not_there_is_refused()
    {
        EmulatedGpu.Require();
        var refusal = Assert.Throws<InvalidOperationException>(() => Tensor.Ones(2).ToDevice(Device.Cuda(7)));
        Assert.Contains("cuda:7", refusal.Message);
        Assert.Contains("this machine has 1", refusal.Message);
    }

    /// <summary>Rounded as tensor cores round, only where it was allowed.</summary>
    [SkippableFact]
    public void Products_are_in_tf32_where_that_is_allowed()
    {
        var device = EmulatedGpu.Require();
        // 1 + 2⁻¹² has more bits than tf32 keeps: its square loses them.
        var x = Tensor.Full([3, 5], 1 + 1.0 / 4096, DType.Float32, device);
        double exact = 5 * (1 + 1.0 / 4096) * (1 + 1.0 / 4096);
        Assert.False(CudaMatmul.AllowTf32);
        Assert.Equal(exact, x.MatMul(x.T)[1, 2].Item(), 1e-5);
        CudaMatmul.AllowTf32 = true;
        try
        {
            Assert.Equal(5.0, x.MatMul(x.T)[1, 2].Item());
            var here = x.Cpu();
            Assert.Equal(exact, here.MatMul(here.T)[1, 2].Item(), 1e-5);
        }
        finally
        {
            CudaMatmul.AllowTf32 = false;
        }
    }

    [Fact]
    public void Devices_have_names()
    {
        Assert.Equal(Device.Cpu, Device.Parse("cpu"));
        Assert.Equal(Device.Cuda(0), Device.Parse("cuda"));
        Assert.Equal(Device.Cuda(3), Device.Parse("cuda:3"));
        Assert.Equal(default, Device.Cpu);
        Assert.Equal("cuda:3", Device.Cuda(3).ToString());
        Assert.Equal("cuda", Device.Cuda(3).Type);
        foreach (string text in new[] { "", "gpu", "cuda:", "cuda:-1", "cuda:x", "CPU" })
            Assert.Contains(
                "cpu, meta, cuda and cuda:N",
                Assert.Throws<ArgumentException>(() => Device.Parse(text)).Message
            );
        Assert.Throws<ArgumentOutOfRangeException>(() => Device.Cuda(-1));
    }

    /// <summary>The same parameters, the same batches, the same losses: on the GPU as on the CPU.</summary>
    [SkippableFact]
    public void The_character_model_trains_there_with_the_same_numbers()
    {
        var device = EmulatedGpu.Require();
        var data = new CharDataset(
            ["anna", "otto", "emma", "ada", "bob", "eve", "hannah", "noa", "liam", "mia", "theo", "ben", "tom"],
            context: 3
        );
        var options = new CharMlpOptions(Context: 3, Embedding: 4, Hidden: 24, Batch: 8);
        double[] Train(Device where)
        {
            var model = new CharMlp(data.Vocabulary, options, seed: 5);
            model.ToDevice(where);
            Assert.All(model.Parameters, p => Assert.Equal(where, p.Device));
            var optimizer = new SGD(model.Parameters, 0.5);
            var losses = new List<double>();
            ulong state = 1;
            for (int step = 0; step < 20; step++)
            {
                var (contexts, targets) = data.Train.Batch(options.Batch, ref state);
                model.Step(contexts, targets, optimizer);
                if (step % 5 == 4)
                    losses.Add(model.Loss(data.Train));
            }
            return [.. losses];
        }
        double[] here = Train(Device.Cpu);
        double[] there = Train(device);
        Assert.True(here[^1] < here[0] - 0.05, $"losses {string.Join(", ", here)}");
        for (int i = 0; i < here.Length; i++)
            Assert.Equal(here[i], there[i], 1e-4);
    }
}
