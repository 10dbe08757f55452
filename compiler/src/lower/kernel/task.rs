//! What the kernel's structure of the current task says.

use super::KernelCode;
use crate::lower::{Helper, Operand};

impl KernelCode<'_, '_> {
    /// The name of the current task's command, which takes so many bytes, filled up with zeros: they are compared and
    /// hashed with it.
    pub fn task_name(&mut self, bytes: u32) -> Operand {
        let (address, text) = self.text_room(bytes);
        if let Some(offset) = self.tasks.name.filter(|_| self.point.attach.is_typed()) {
            // Faster than the helper, which looks for the end of the name.
            let task = self.emitter.helper(Helper::GetCurrentTaskBtf, &[]);
            for at in (0..bytes).step_by(8) {
                let word = self.emitter.load(task, offset + at);
                self.emitter.store(word, address, at);
            }
            return text;
        }
        let size = self.emitter.constant(i64::from(bytes));
        // Kernels before 6.4 leave what is behind the name as it is.
        let zero = self.emitter.constant(0);
        for at in (0..bytes).step_by(8) {
            self.emitter.store(zero, address, at);
        }
        self.emitter.helper(Helper::GetCurrentComm, &[address, size]);
        text
    }
}
