using Xunit;

namespace Picograd.Tests.Formats;

public class TensorFileTests
{
    [Fact]
    public void A_module_takes_a_file_as_it_is()
    {
        using var folder = new ScratchFolder();
        var model = new Sequential(new Linear(3, 4), new ReLU(), new Linear(4, 2));
        var state = model.StateDict();
        Safetensors.Save(state, folder["m.safetensors"]);
        Npz.Save(state, folder["m.npz"]);
        Gguf.Save(state, folder["m.gguf"]);
        var x = Tensor.Randn(5, 3);
        double[] wanted = model.Forward(x).ToDoubles();
        foreach (string name in folder.Names)
        {
            var other = new Sequential(new Linear(3, 4), new ReLU(), new Linear(4, 2));
            using (var file = TensorFile.Open(folder[name]))
                other.LoadStateDict(file);
            Assert.Equal(wanted, other.Forward(x).ToDoubles());
        }
        var small = new Sequential(new Linear(3, 4), new ReLU(), new Linear(4, 3));
        using var wrong = TensorFile.Open(folder["m.npz"]);
        var e = Assert.Throws<ArgumentException>(() => small.LoadStateDict(wrong));
        Assert.Contains("'2.weight' has shape [2, 4], but the module's is [3, 4]", e.Message);
    }

    [Fact]
    public void Tensors_of_a_mapped_file_stay_and_never_change_it()
    {
        using var folder = new ScratchFolder();
        Safetensors.Save([new("a", Tensor.Arange(1000).To(DType.Float32)), new("b", Tensor.Ones(3))], folder["m"]);
        byte[] before = File.ReadAllBytes(folder["m"]);
        Tensor a;
        using (var file = Safetensors.Open(folder["m"]))
        {
            Assert.Equal("F32", file.Entry("a").StoredAs);
            a = file["a"];
            // Each access is another tensor.
            file["a"].Fill_(7);
            Assert.Equal(before, File.ReadAllBytes(folder["m"]));
            Assert.Equal(3, file["b"].Sum().Item());
        }
        GC.Collect();
        GC.WaitForPendingFinalizers();
        Assert.Equal(7000, a.Sum().Item());
        Assert.Throws<ObjectDisposedException>(() =>
        {
            using var f = Safetensors.Open(folder["m"]);
            f.Dispose();
            _ = f["a"];
        });
    }

    [Fact]
    public void Names_are_cut_and_changed()
    {
        using var folder = new ScratchFolder();
        Npz.Save(
            [new("model.a", Tensor.Ones(2)), new("model.b", Tensor.Zeros(3)), new("step", Tensor.From(3L))],
            folder["m"]
        );
        using var file = TensorFile.Open(folder["m"]);
        Assert.Equal(["a", "b"], file.Under("model.").Keys);
        Assert.Equal(["x.model.a", "x.model.b"], file.Rename(n => n == "step" ? null : "x." + n).Keys);
        Assert.Contains("begins with 'no'", Assert.Throws<ArgumentException>(() => file.Under("no")).Message);
        Assert.Throws<ArgumentException>(() => file.Rename(_ => "same"));
    }

    [Fact]
    public void Other_files_are_refused()
    {
        using var folder = new ScratchFolder();
        foreach (
            byte[] bytes in new byte[][] { [], [1], [.. "hello, this is a text"u8], [.. "PK\x03\x04"u8], [.. "GGUF"u8] }
        )
        {
            string message = Assert
                .Throws<InvalidDataException>(() => TensorFile.Open(folder.Write("f", bytes)))
                .Message;
            Assert.Contains(folder["f"], message);
        }
        Assert.Throws<FileNotFoundException>(() => TensorFile.Open(folder["none"]));
    }
}
