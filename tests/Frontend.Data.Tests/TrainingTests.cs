using System.Buffers.Binary;
using Picograd.Data;
using Spectre.Console;
using Xunit;

namespace Picograd.Tests;

public class TrainingTests
{
    private static IAnsiConsole Console(TextWriter to, bool terminal) =>
        AnsiConsole.Create(
            new AnsiConsoleSettings
            {
                Ansi = terminal ? AnsiSupport.Yes : AnsiSupport.No,
                Interactive = terminal ? InteractionSupport.Yes : InteractionSupport.No,
                Out = new AnsiConsoleOutput(to),
            }
        );

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Progress_is_one_line_in_terminals_and_plain_lines_elsewhere(bool terminal)
    {
        var text = new StringWriter();
        using (var progress = new ProgressLine(4, "epoch 1", Console(text, terminal), TimeSpan.Zero))
        {
            for (int i = 0; i < 4; i++)
                progress.Step(("loss", Tensor.From(0.5 / (i + 1))), ("lr", 0.1));
            Assert.Equal(4, progress.Done);
        }
        string written = text.ToString();
        Assert.Contains("epoch 1", written);
        Assert.Contains("2/4  loss 0.25  lr 0.1", written);
        Assert.Contains("left", written);
        Assert.Equal(terminal ? 1 : 4, written.Count(c => c == '\n'));
        Assert.Equal(terminal, written.Contains('\r'.ToString() + "epoch") && written.Contains('#'));
    }

    [Fact]
    public void Plots_are_written_in_both_formats()
    {
        using var folder = new Folder();
        Plots.Loss(folder["loss.svg"], [3, 2, double.NaN, 1], "a run");
        Assert.Contains("<svg", File.ReadAllText(folder["loss.svg"]));
        Plots.Histograms(folder["h.png"], [("normal", Tensor.Randn(1000)), ("one", Tensor.Ones(3))]);
        Assert.Equal([0x89, 0x50, 0x4e, 0x47], File.ReadAllBytes(folder["h.png"])[..4]);
        Assert.True(ImageFile.Load(folder["h.png"]).To(DType.Float32).Std().Item() > 5);
        var model = new Linear(3, 2);
        model.Forward(Tensor.Randn(4, 3)).Sum().Backward();
        Plots.Gradients(folder["g.svg"], model);
        Assert.Contains("weight", File.ReadAllText(folder["g.svg"]));
        Assert.Throws<ArgumentException>(() => Plots.Loss(folder["loss.gif"], [1]));
        Assert.Throws<ArgumentException>(() => Plots.Loss(folder["loss.svg"], [double.NaN]));
    }

    // The format by its description, without the library that writes it.
    private static List<Dictionary<int, List<object>>> Events(string path)
    {
        byte[] bytes = File.ReadAllBytes(path);
        var events = new List<Dictionary<int, List<object>>>();
        int at = 0;
        while (at < bytes.Length)
        {
            int length = (int)BinaryPrimitives.ReadInt64LittleEndian(bytes.AsSpan(at));
            Assert.Equal(Masked(bytes.AsSpan(at, 8)), BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(at + 8)));
            var data = bytes.AsSpan(at + 12, length);
            Assert.Equal(Masked(data), BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(at + 12 + length)));
            events.Add(Message(data.ToArray()));
            at += length + 16;
        }
        return events;
    }

    // CRC-32C bit by bit.
    private static uint Masked(ReadOnlySpan<byte> bytes)
    {
        uint crc = 0xffffffff;
        foreach (byte b in bytes)
        {
            crc ^= b;
            for (int k = 0; k < 8; k++)
                crc = (crc & 1) != 0 ? (crc >> 1) ^ 0x82f63b78 : crc >> 1;
        }
        crc = ~crc;
        return ((crc >> 15) | (crc << 17)) + 0xa282ead8;
    }

    private static Dictionary<int, List<object>> Message(byte[] bytes)
    {
        var fields = new Dictionary<int, List<object>>();
        int at = 0;
        ulong Varint()
        {
            ulong value = 0;
            for (int shift = 0; ; shift += 7)
            {
                byte b = bytes[at++];
                value |= (ulong)(b & 127) << shift;
                if (b < 128)
                    return value;
            }
        }
        while (at < bytes.Length)
        {
            ulong tag = Varint();
            object value;
            switch (tag & 7)
            {
                case 0:
                    value = (long)Varint();
                    break;
                case 1:
                    value = BinaryPrimitives.ReadDoubleLittleEndian(bytes.AsSpan(at));
                    at += 8;
                    break;
                case 2:
                    int length = (int)Varint();
                    value = bytes[at..(at + length)];
                    at += length;
                    break;
                default:
                    value = BinaryPrimitives.ReadSingleLittleEndian(bytes.AsSpan(at));
                    at += 4;
                    break;
            }
            if (!fields.TryGetValue((int)(tag >> 3), out var values))
                fields[(int)(tag >> 3)] = values = [];
            values.Add(value);
        }
        return fields;
    }

    [Fact]
    public void Event_files_are_as_TensorBoard_reads_them()
    {
        using var folder = new Folder();
        string path;
        using (var writer = new SummaryWriter(folder["run"]))
        {
            writer.AddScalar("loss/train", 0.25, 7);
            writer.AddHistogram("w", Tensor.From([1.0, 2, 2, 5]), 8, bins: 4);
            writer.AddImage("picture", Tensor.Zeros([3, 4, 5], DType.UInt8), 9);
            writer.AddText("note", "# ä", 1L << 40);
            path = writer.FilePath;
        }
        Assert.StartsWith("events.out.tfevents.", Path.GetFileName(path));
        var events = Events(path);
        static string Text(object value) => System.Text.Encoding.UTF8.GetString((byte[])value);
        Assert.Equal("brain.Event:2", Text(events[0][3][0]));
        Assert.True((double)events[1][1][0] > 1.7e9);
        Assert.Equal([7L, 8, 9, 1L << 40], events.Skip(1).Select(e => (long)e[2][0]));
        var values = events.Skip(1).Select(e => Message((byte[])Message((byte[])e[5][0])[1][0])).ToList();
        Assert.Equal(["loss/train", "w", "picture", "note/text_summary"], values.Select(v => Text(v[1][0])));
        Assert.Equal(0.25f, values[0][2][0]);
        var histogram = Message((byte[])values[1][5][0]);
        Assert.Equal([1.0, 5, 4, 10, 34], Enumerable.Range(1, 5).Select(f => (double)histogram[f][0]));
        double[] counts = System
            .Runtime.InteropServices.MemoryMarshal.Cast<byte, double>((byte[])histogram[7][0])
            .ToArray();
        Assert.Equal([1.0, 2, 0, 1], counts);
        var image = Message((byte[])values[2][4][0]);
        Assert.Equal([4L, 5, 3], Enumerable.Range(1, 3).Select(f => (long)image[f][0]));
        File.WriteAllBytes(folder["back.png"], (byte[])image[4][0]);
        Assert.Equal([3, 4, 5], ImageFile.Load(folder["back.png"]).Shape.ToArray());
        var tensor = Message((byte[])values[3][8][0]);
        Assert.Equal((7L, "# ä"), ((long)tensor[1][0], Text(tensor[8][0])));
        Assert.Equal("text", Text(Message((byte[])Message((byte[])values[3][9][0])[1][0])[1][0]));
    }

    [SkippableFact]
    public void Ctrl_C_is_a_wish()
    {
        Skip.If(OperatingSystem.IsWindows(), "signals are sent by kill");
        using var interrupt = new Interrupt();
        Assert.False(interrupt.Requested);
        using var kill = System.Diagnostics.Process.Start("kill", ["-INT", $"{Environment.ProcessId}"]);
        kill.WaitForExit();
        Assert.True(SpinWait.SpinUntil(() => interrupt.Requested, 10_000));
    }

    [Fact]
    public void Curves_vectors_and_graphs_are_as_TensorBoard_reads_them()
    {
        using var folder = new Folder();
        string path;
        using (var writer = new SummaryWriter(folder["run"]))
        {
            writer.AddPrCurve("pr", Tensor.From([1L, 0, 1, 1]), Tensor.From([0.9, 0.6, 0.4, 1]), 3, numThresholds: 3);
            writer.AddGraph(new Sequential(new Linear(2, 3), new Tanh()), Tensor.Ones(1, 2));
            writer.AddEmbedding(
                Tensor.From([1.5, 2, 3, 4, 5, 6], [3, 2]),
                ["a", "b", "c"],
                Tensor.Rand([3, 1, 2, 4]),
                step: 7
            );
            writer.AddEmbedding(Tensor.Ones([2, 2]), tag: "more");
            Assert.Throws<ArgumentException>(() => writer.AddEmbedding(Tensor.Ones([2, 2]), ["one"]));
            Assert.Throws<ArgumentException>(() => writer.AddPrCurve("x", Tensor.Ones(2), Tensor.Ones(2) * 2));
            path = writer.FilePath;
        }
        static string Text(object value) => System.Text.Encoding.UTF8.GetString((byte[])value);
        var events = Events(path);
        var value = Message((byte[])Message((byte[])events[1][5][0])[1][0]);
        var tensor = Message((byte[])value[8][0]);
        float[] curve = System.Runtime.InteropServices.MemoryMarshal.Cast<byte, float>((byte[])tensor[5][0]).ToArray();
        // Buckets 0, 1, 2 have the scores 0.4; 0.9 and 0.6; 1.
        Assert.Equal([3f, 2, 1, 1, 1, 0, 0, 0, 1, 0, 1, 2], curve[..12]);
        Assert.Equal([3f / 4, 2f / 3, 1, 1, 2f / 3, 1f / 3], curve[12..]);
        var plugin = Message((byte[])Message((byte[])value[9][0])[1][0]);
        Assert.Equal("pr_curves", Text(plugin[1][0]));
        Assert.Equal(3L, Message((byte[])plugin[2][0])[2][0]);
        var nodes = Message((byte[])events[2][4][0])[1].Select(n => Message((byte[])n)).ToList();
        string[] names = [.. nodes.Select(n => Text(n[1][0]))];
        Assert.Contains("0/weight", names);
        Assert.Contains("tanh", nodes.Select(n => Text(n[2][0])));
        Assert.All(
            nodes.Where(n => n.ContainsKey(3)).SelectMany(n => n[3]),
            input => Assert.Contains(Text(input), names)
        );
        Assert.Equal("1.5\t2\n3\t4\n5\t6\n", File.ReadAllText(folder["run/00007/default/tensors.tsv"]));
        Assert.Equal("a\nb\nc\n", File.ReadAllText(folder["run/00007/default/metadata.tsv"]));
        Assert.Equal([3, 4, 8], ImageFile.Load(folder["run/00007/default/sprite.png"]).Shape.ToArray());
        string config = File.ReadAllText(folder["run/projector_config.pbtxt"]);
        Assert.Equal(2, config.Split("embeddings {").Length - 1);
        Assert.Contains("tensor_path: \"00000/more/tensors.tsv\"", config);
    }
}
